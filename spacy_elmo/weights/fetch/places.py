"""Where the files of a model are in the user's cache."""

from pathlib import Path
from typing import NamedTuple

from ...util.user_cache import cache_folder
from ..releases import Release


class Places(NamedTuple):
    """The files of a model in the cache.

    folder (Path): The folder of the complete model, which appears by a rename.
    work (Path): The folder of everything that is not complete.
    pins (Path): The file of the pins.
    lock (Path): The file that a downloading process locks.
    """

    folder: Path
    work: Path
    pins: Path
    lock: Path

    @property
    def downloads(self) -> Path:
        """Get the folder of files that are being downloaded.

        RETURNS (Path): The folder.
        """
        return self.work / "downloads"

    @property
    def unpacked(self) -> Path:
        """Get the folder into which an archive is unpacked.

        RETURNS (Path): The folder.
        """
        return self.work / "unpacked"


def find_places(release: Release) -> Places:
    """Find the places of a model.

    release (Release): The model.
    RETURNS (Places): The places, where there may be nothing yet.
    """
    root, key = cache_folder() / "models", release.key
    return Places(root / key, root / f"{key}.partial", root / f"{key}.json", root / f"{key}.lock")
