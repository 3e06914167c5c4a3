"""What has arrived of a file, kept beside it until it is complete: the next attempt goes on from there."""

import json
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...util.files import read_small

_MOST_NOTE = 1 << 16


class Origin(NamedTuple):
    """Where the bytes are from. url: without credentials. version: the server's ETag or date of the file, for
    `If-Range`."""

    url: str
    version: str


class Partial:
    """`<name>.part` beside the target, and `<name>.part.json`, which tells the origin if that is known."""

    def __init__(self, target: Path):
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self._target = target

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def origin(self) -> Origin | None:
        try:
            note = json.loads(read_small(self._note, most=_MOST_NOTE))
            return Origin(str(note["url"]), str(note["version"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def discard(self) -> None:
        # The note first: bytes without a note are never taken for those of another version.
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def begin(self, origin: Origin | None) -> BinaryIO:
        """Start over, with bytes of this origin."""
        self.discard()
        file = self.path.open("wb")
        if origin is not None:
            self._note.write_text(json.dumps(origin._asdict()), "utf-8")
        return file

    def go_on(self) -> BinaryIO:
        return self.path.open("ab")

    def finish(self) -> None:
        """Give it its final name."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self._target)
        self._note.unlink(missing_ok=True)
