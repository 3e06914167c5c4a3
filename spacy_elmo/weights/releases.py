"""What can be downloaded: files with their addresses, and the releases that consist of them."""

from dataclasses import dataclass
from typing import NamedTuple


class File(NamedTuple):
    """A published file.

    path (str): The path behind a published base; a mirror has the file under the same path.
    urls (tuple[str, ...]): Its addresses, in the order in which they are tried.
    size (int | None): Its size in bytes; None if it is not known.
    sha256 (str | None): Its checksum; None if it is not known.
    md5 (str | None): Its older checksum, where that is what was published.
    is_optional (bool): Whether the model can be read without this file, if no address has it.
    """

    path: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    is_optional: bool = False

    @property
    def name(self) -> str:
        """Get the name of the file.

        RETURNS (str): The last part of its path.
        """
        return self.path.rpartition("/")[2]

    @property
    def has_checksum(self) -> bool:
        """Check whether a checksum is known, so that it does not matter who sends the file.

        RETURNS (bool): Whether one is.
        """
        return self.sha256 is not None or self.md5 is not None


@dataclass(frozen=True, kw_only=True)
class Release:
    """A model that can be downloaded.

    name (str): Its name in messages and in the cache.
    files (tuple[File, ...]): One archive; or the options, the weights, and others that belong to them.
    """

    name: str
    files: tuple[File, ...]

    @property
    def key(self) -> str:
        """Get the name of the model's folder in the cache.

        RETURNS (str): The name.
        """
        return self.name.replace("/", "--")

    @property
    def plans(self) -> tuple[tuple[File, ...], ...]:
        """List the files of which the model may consist. The first plan whose files exist is used.

        RETURNS (tuple[tuple[File, ...], ...]): The plans.
        """
        return (self.files,)

    @property
    def is_archive(self) -> bool:
        """Check whether the model is published as a single file.

        RETURNS (bool): Whether it is.
        """
        return len(self.files) == 1

    @property
    def n_bytes(self) -> int | None:
        """Count the bytes to download. Small files whose size is not known may be left out.

        RETURNS (int | None): Their number; None if the size of the largest file is not known.
        """
        sizes = [file.size for file in self.files if file.size is not None]
        is_known = any(file.size is not None for file in self.files if not file.name.endswith((".json", ".txt")))
        return sum(sizes) if is_known else None
