"""The bytes of an input, compressed or not, from disk or from a pipe."""

import bz2
import gzip
import hashlib
import lzma
import shutil
import sys
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from ..errors import ElmoError, ElmoOSError, Errors
from ..errors.advice import advise_reading
from ..util.atomic import WRITE_ERRORS
from ..util.hashes import sha256

# The reader of each compression, by the last ending of a file's name.
COMPRESSIONS: dict[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb")),
    ".xz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
}
_EMPTY = "it is empty, and a compressed file never is"
# Bytes of a pipe that are read at a time.
_CHUNK = 1 << 20
# The first bytes of compressed data, because pipes have no endings.
MAGIC = {b"\x1f\x8b": ".gz", b"\xfd7zXZ\x00": ".xz", b"BZh": ".bz2"}


@dataclass(eq=False)
class InputFile:
    """A file to read.

    path (Path): Its path; "-" for standard input.
    format (str): One of `paths.FORMATS`.
    compression (str | None): A key of `COMPRESSIONS`; None if it is not compressed.
    is_stream (bool): Whether it is a pipe or standard input. These can be read only once, and are copied to a
        temporary file so that all of it can be checked before use.
    """

    path: Path
    format: str
    compression: str | None = None
    is_stream: bool = False
    _copy: IO[bytes] | None = field(default=None, repr=False)

    @contextmanager
    def open(self, *, longest_line: int | None = None) -> Iterator[IO[bytes]]:
        """Open the file.

        longest_line (int | None): The most bytes of a line, after which a pipe is read no further: the caller
            refuses such a line. None: of any length.
        YIELDS (IO[bytes]): Its uncompressed content.
        RAISES (ElmoError): If it is damaged, also while it is read.
        RAISES (OSError): If it cannot be read, also while it is read.
        """
        self._keep_stream(longest_line)
        try:
            with self._open_packed() as packed:
                compression = self.compression
                if self.is_stream and compression is None:
                    start = packed.read(6)
                    compression = next((MAGIC[magic] for magic in MAGIC if start.startswith(magic)), None)
                    packed.seek(0)
                if compression is None:
                    yield packed
                    return
                if not packed.read(1):
                    raise ElmoError(Errors.EL023.format(path=self.path, reason=_EMPTY))
                packed.seek(0)
                with COMPRESSIONS[compression](packed) as file:
                    yield file
        except (lzma.LZMAError, zlib.error, gzip.BadGzipFile, EOFError) as error:
            raise ElmoError(Errors.EL023.format(path=self.path, reason=error)) from error
        except OSError as error:
            if error.errno is None:  # bz2's error for damage
                raise ElmoError(Errors.EL023.format(path=self.path, reason=error)) from error
            raise _unreadable(self.path, error) from error

    def sha256(self) -> str:
        """Compute the SHA-256 of the content as it is stored.

        RETURNS (str): The digest in hexadecimal.
        RAISES (OSError): If it cannot be read.
        """
        self._keep_stream()
        try:
            if not self.is_stream:
                return sha256(self.path)
            digest = hashlib.sha256()
            with self._open_packed() as file:
                while chunk := file.read(1 << 22):
                    digest.update(chunk)
            return digest.hexdigest()
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _open_packed(self) -> AbstractContextManager[IO[bytes]]:
        if not self.is_stream:
            return self.path.open("rb")
        assert self._copy is not None
        self._copy.seek(0)
        return nullcontext(self._copy)

    def _keep_stream(self, longest_line: int | None = None) -> None:
        if not self.is_stream or self._copy is not None:
            return
        if self.path == Path("-") and (sys.stdin is None or sys.stdin.closed):
            names = {"reason": "standard input is closed", "advice": "Connect a pipe, or give a file."}
            raise ElmoOSError(Errors.EL203.format(path=self.path, **names))
        try:
            copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, copy.close)
            if self.path != Path("-"):
                with self.path.open("rb") as file:
                    _copy(file, copy, longest_line)
            else:
                _copy(sys.stdin.buffer, copy, longest_line)
            copy.flush()
        except OSError as error:
            if error.errno not in WRITE_ERRORS:
                raise _unreadable(self.path, error) from error
            place = tempfile.gettempdir()
            raise ElmoOSError(Errors.EL142.format(path=place, reason=error.strerror, variable="TMPDIR")) from error
        self._copy = copy


def _copy(source: IO[bytes], target: IO[bytes], longest_line: int | None) -> None:
    """Copy a stream, up to a line that is too long; what is compressed has no lines."""
    start = source.read(_CHUNK)
    target.write(start)
    if longest_line is None or start.startswith((*MAGIC,)):
        shutil.copyfileobj(source, target)
        return
    chunk, length = start, 0
    while chunk:
        end = chunk.rfind(b"\n")
        length = length + len(chunk) if end < 0 else len(chunk) - end - 1
        if length > longest_line:
            return
        chunk = source.read(_CHUNK)
        target.write(chunk)


def _unreadable(path: Path, error: OSError) -> OSError:
    names = {"reason": error.strerror or error, "advice": advise_reading(error)}
    return ElmoOSError(Errors.EL203.format(path=path, **names))
