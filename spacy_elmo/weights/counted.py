"""What comes out of a packed file, counted, as its headers may lie."""

import bz2
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

from ..errors import Errors

MOST_BYTES = 16 << 30
# Weights hardly get smaller by packing. From so many bytes on, an archive that grows this much is a trap.
MOST_RATIO = 100
RATIO_COUNTS_FROM = 64 << 20
# Headers are read at once, into memory.
_MOST_AT_ONCE = 1 << 20
_BLOCK = 512
# What unpacking .xz may take; its strongest setting takes 65 MB.
_MOST_MEMORY = 256 << 20
_UNPACKERS: dict[str, Callable[[], Any]] = {
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY),
}


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


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


class Decompressed:
    """What comes out of a .bz2 or .xz file, piece by piece. kind: "bzip2" or "xz"."""

    def __init__(self, file: IO[bytes], kind: str, archive: Path):
        self._file = file
        self._archive = archive
        self._make = _UNPACKERS[kind]
        self._unpacker = self._make()

    def read(self, size: int, /) -> bytes:
        """RAISES: OSError, LZMAError or EOFError if the file is damaged or cut short; RefusedError if unpacking it
        takes too much memory."""
        pieces = []
        while size > 0:
            data = self._input()
            if data is None:
                break
            try:
                piece = self._unpacker.decompress(data, size)
            except lzma.LZMAError as error:
                if "emory" not in str(error):
                    raise
                reason = f"unpacking it takes more than {_MOST_MEMORY:,} bytes of memory"
                raise RefusedError(Errors.EL153.format(path=self._archive, reason=reason)) from error
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _input(self) -> "bytes | None":
        """Packed bytes for the next step, None at the end."""
        if self._unpacker.eof:
            # Programs that pack in parallel write several streams. Zeros are between those of .xz.
            data = self._unpacker.unused_data.lstrip(b"\0") or self._file.read(_MOST_AT_ONCE).lstrip(b"\0")
            if not data:
                return None
            self._unpacker = self._make()
            return bytes(data)
        if not self._unpacker.needs_input:
            return b""
        data = self._file.read(_MOST_AT_ONCE)
        if not data:
            raise EOFError("it ends too early")
        return data


class Counted:
    """The bytes of a tar that is in `archive`, for `tarfile` to read from the front to the end."""

    def __init__(self, file: Readable, archive: Path):
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
