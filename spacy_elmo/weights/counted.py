"""What comes out of a packed file, counted, as its headers may lie."""

from pathlib import Path
from typing import IO

from ..errors import Errors

MOST_BYTES = 16 << 30
# Weights hardly get smaller by packing. From so many bytes on, an archive that grows this much is a trap.
MOST_RATIO = 100
RATIO_COUNTS_FROM = 64 << 20
# Headers are read at once, into memory.
_MOST_AT_ONCE = 1 << 20
_BLOCK = 512


class RefusedError(ValueError):
    """The archive is not what an honest one would be."""


class Meter:
    """Adds up bytes that come out of an archive. RAISES: RefusedError when they are too many."""

    def __init__(self, archive: Path):
        self._archive = archive
        self._most_by_ratio = max(RATIO_COUNTS_FROM, MOST_RATIO * archive.stat().st_size)
        self._total = 0

    def add(self, n_bytes: int) -> None:
        self._total += n_bytes
        reason = None
        if self._total > MOST_BYTES:
            reason = f"more than {MOST_BYTES:,} bytes come out of it"
        elif self._total > self._most_by_ratio:
            reason = f"it grows more than {MOST_RATIO} times when it is unpacked"
        if reason:
            raise RefusedError(Errors.EL153.format(path=self._archive, reason=reason))


class Counted:
    """The bytes of a tar that is in `archive`, for `tarfile` to read from the front to the end."""

    def __init__(self, file: IO[bytes], archive: Path):
        self._file = file
        self._archive = archive
        self._meter = Meter(archive)
        self._position = 0
        self._last = b""

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        if size > _MOST_AT_ONCE:
            raise RefusedError(Errors.EL153.format(path=self._archive, reason="it has too long a header"))
        self._last = self._file.read(size)
        self._position += len(self._last)
        self._meter.add(len(self._last))
        return self._last

    def seek(self, position: int) -> None:
        if position < self._position:
            raise ValueError("it goes back to what has been read")
        while self._position < position:
            if not self.read(min(position - self._position, _MOST_AT_ONCE)):
                raise EOFError("it ends too early")

    def read_to_end(self) -> None:
        """RAISES: ValueError if what was read last is not a tar's end mark, or what follows is damaged."""
        if self._last != bytes(_BLOCK):
            raise ValueError("a header is damaged, or the end is missing")
        while self.read(_MOST_AT_ONCE):
            pass
