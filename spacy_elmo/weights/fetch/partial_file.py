"""A file of which a part has been downloaded."""

import json
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...util.files import read_small

_MOST_NOTE = 1 << 16


class Origin(NamedTuple):
    """The origin of downloaded bytes.

    url (str): The URL without credentials.
    version (str): The server's ETag or date of the file, for `If-Range`.
    """

    url: str
    version: str


class Partial:
    """A file that is not complete: `<name>.part` beside the target, and its origin in `<name>.part.json`."""

    def __init__(self, target: Path):
        """Name the files.

        target (Path): The final name of the file.
        """
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self._target = target

    @property
    def size(self) -> int:
        """Measure the part.

        RETURNS (int): Its size in bytes; 0 if there is none.
        """
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def origin(self) -> Origin | None:
        """Read the origin of the part.

        RETURNS (Origin | None): The origin; None if it is not known.
        """
        try:
            note = json.loads(read_small(self._note, most=_MOST_NOTE))
            return Origin(str(note["url"]), str(note["version"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def discard(self) -> None:
        """Remove the part."""
        # The note first, because a note must never describe bytes of another version.
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def begin(self, origin: Origin | None) -> BinaryIO:
        """Start a new part.

        origin (Origin | None): The origin of its bytes; None if it is not known.
        RETURNS (BinaryIO): The file to write to.
        """
        self.discard()
        file = self.path.open("wb")
        if origin is not None:
            self._note.write_text(json.dumps(origin._asdict()), "utf-8")
        return file

    def resume(self) -> BinaryIO:
        """Continue the part.

        RETURNS (BinaryIO): The file to write to, at its end.
        """
        return self.path.open("ab")

    def finish(self) -> None:
        """Rename the part to its final name."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self._target)
        self._note.unlink(missing_ok=True)
