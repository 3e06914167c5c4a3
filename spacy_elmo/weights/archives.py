"""Safe unpacking of models' archives: only regular files, and no more bytes than allowed."""

import bz2
import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from ..errors import ElmoError, ElmoOSError, Errors, ReasonError
from ..util.files import read_bytes, reading_error
from ..util.user_cache import CACHE_VARIABLE
from .sniff import Kind, sniff_head, unpack_command

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

MOST_FILES = 10_000
# Of a name, and of each of its parts, in bytes: what file systems take.
MOST_OF_A_NAME, MOST_OF_A_PART = 1024, 255
_CHUNK = 1 << 16
_HEAD = 512
# Tars are packed so; weights are, too, but are not read so.
_PACKED = ("gzip", "bzip2", "xz")
_SINGLE = ("hdf5", "safetensors", "pickle", "zip", "json", "html")
# Files that macOS adds to archives.
_LEFT_OUT = ("__MACOSX", ".DS_Store")


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class RefusedError(ElmoError):
    """The archive is not what an honest one would be."""


class Meter:
    """Adds up bytes that come out of an archive.

    archive (Path): The archive, whose size bounds them.
    RAISES (RefusedError): When they are too many.
    """

    def __init__(self, archive: Path):
        self._archive = archive
        self._most_by_ratio = max(RATIO_COUNTS_FROM, MOST_RATIO * archive.stat().st_size)
        self._total = 0

    def add(self, n_bytes: int) -> None:
        self._total += n_bytes
        reason = None
        if self._total > MOST_BYTES:
            reason = f"more than {MOST_BYTES:,} bytes are unpacked from it"
        elif self._total > self._most_by_ratio:
            reason = f"it grows more than {MOST_RATIO} times when it is unpacked"
        if reason:
            raise RefusedError(Errors.EL153.format(path=self._archive, reason=reason))


class Decompressed:
    """Unpacks a .bz2 or .xz file piece by piece.

    file (IO[bytes]): The file.
    kind (str): "bzip2" or "xz".
    archive (Path): Its path, for messages.
    """

    def __init__(self, file: IO[bytes], kind: str, archive: Path):
        self._file = file
        self._archive = archive
        self._make = _UNPACKERS[kind]
        self._unpacker = self._make()

    def read(self, size: int, /) -> bytes:
        """Read what is unpacked next.

        size (int): The most bytes to return.
        RETURNS (bytes): The bytes; fewer at the end of the file.
        RAISES (OSError, LZMAError, ReasonError): If the file is damaged or cut short.
        RAISES (RefusedError): If unpacking it takes too much memory.
        """
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
            raise ReasonError("it ends unexpectedly")
        return data


class Counted:
    """The bytes of a tar inside an archive, for `tarfile` to read from the front to the end.

    file (Readable): What unpacks the archive.
    archive (Path): The archive, for messages and limits.
    """

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
            raise RefusedError(Errors.EL153.format(path=self._archive, reason="its header is too long"))
        self._last = self._file.read(size)
        self._position += len(self._last)
        self._meter.add(len(self._last))
        return self._last

    def seek(self, position: int) -> None:
        if position < self._position:
            raise ReasonError("it refers to earlier data")
        while self._position < position:
            if not self.read(min(position - self._position, _MOST_AT_ONCE)):
                raise ReasonError("it ends unexpectedly")

    def read_to_end(self) -> None:
        """RAISES (ReasonError): If what was read last is not a tar's end mark, or what follows is damaged."""
        if self._last != bytes(_BLOCK):
            raise ReasonError("a header is damaged, or the end is missing")
        while self.read(_MOST_AT_ONCE):
            pass


class _Member(NamedTuple):
    """A file or folder in an archive.

    name (str): Its path as stored.
    is_folder (bool): Whether it is a folder.
    odd (str | None): Why it is refused; None for a regular file or a folder.
    size (int): Its size as the archive states it.
    open (Callable): Opens its content.
    """

    name: str
    is_folder: bool
    odd: str | None
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, *, variable: str = CACHE_VARIABLE) -> None:
    """Unpack a zip, or a tar that may be compressed by gzip, bzip2 or xz.

    Only files and folders are accepted: no links, no devices, nothing outside `folder`, no permissions. After an
    error, `folder` is as it was.

    archive (Path): The archive, recognised by its content.
    folder (Path): A new or empty folder.
    variable (str): The environment variable that sets the place of the folder, for messages.
    RAISES (ElmoError): If the archive holds anything else, is damaged, or would become too large.
    RAISES (OSError): If the folder cannot be written.
    """
    is_new = not folder.exists()
    if not is_new and (not folder.is_dir() or any(folder.iterdir())):
        raise ElmoError(Errors.EL154.format(folder=folder))
    _inspect(archive)
    try:
        _write(archive, folder)
    except OSError as error:
        _clear(folder, is_new)
        reason = error.strerror or str(error)
        raise ElmoOSError(Errors.EL142.format(path=folder, reason=reason, variable=variable)) from error
    except BaseException:
        _clear(folder, is_new)
        raise


def _clear(folder: Path, is_new: bool) -> None:
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if is_new and folder.is_dir():
        folder.rmdir()


def _inspect(archive: Path) -> None:
    """Check all members before anything is written."""
    meter = Meter(archive)
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = {()}
    n_members = 0
    with closing(_members(archive)) as members:
        for member in members:
            n_members += 1
            if n_members > MOST_FILES:
                raise RefusedError(
                    Errors.EL153.format(path=archive, reason=f"it has more than {MOST_FILES:,} members")
                )
            if member.odd:
                raise _refusal(archive, member, member.odd)
            parts = _parts(archive, member)
            meter.add(member.size)
            if parts in files:
                raise _refusal(archive, member, "occurs twice")
            (folders if member.is_folder else files).add(parts)
            folders.update(parts[:length] for length in range(len(parts)))
    for parts in files & folders:
        reason = f"'{'/'.join(parts)}' is both a file and a folder"
        raise RefusedError(Errors.EL153.format(path=archive, reason=reason))
    if not files:
        raise RefusedError(Errors.EL153.format(path=archive, reason="it holds no files"))


def _write(archive: Path, folder: Path) -> None:
    meter = Meter(archive)
    folder.mkdir(parents=True, exist_ok=True)
    with closing(_members(archive)) as members:
        for member in members:
            parts = _parts(archive, member)
            if member.is_folder or any(part in _LEFT_OUT for part in parts):
                continue
            path = folder.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for chunk in _content(archive, member):
                    meter.add(len(chunk))
                    file.write(chunk)


def _parts(archive: Path, member: _Member) -> tuple[str, ...]:
    """Split the path of a member."""
    # Windows accepts both separators, and an archive that is harmless here may be unpacked there.
    name = member.name.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise _refusal(archive, member, "has an absolute path")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise _refusal(archive, member, "points outside the folder")
    if not name.isprintable():
        raise _refusal(archive, member, "has a name with control characters")
    if any(len(part.encode()) > MOST_OF_A_PART for part in parts) or len(name.encode()) > MOST_OF_A_NAME:
        raise _refusal(archive, member, "has a name that is too long")
    if not parts and not member.is_folder:
        raise _refusal(archive, member, "is a file without a name")
    return parts


def _refusal(archive: Path, member: _Member, reason: str) -> RefusedError:
    return RefusedError(Errors.EL152.format(path=archive, member=ascii(member.name)[1:-1], reason=reason))


def _content(archive: Path, member: _Member) -> Iterator[bytes]:
    with _reading(archive), member.open() as file:
        while chunk := file.read(_CHUNK):
            yield chunk


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:  # a damaged archive fails in many ways
        refused = reading_error(archive, error)
        if refused is not None:
            raise refused from error
        reason = str(error) or type(error).__name__
        raise ElmoError(Errors.EL151.format(path=archive, reason=reason)) from error


def _members(archive: Path) -> "Generator[_Member, None, None]":
    """Members in the order of the archive; the content of each is to be read before the next."""
    head = read_bytes(archive, n_bytes=_HEAD)
    kind = sniff_head(head)
    if head.startswith(b"PK"):
        return _zip_members(archive)
    if kind == "tar" or kind in _PACKED:
        return _tar_members(archive, kind)
    raise ElmoError(Errors.EL150.format(path=archive))


def _zip_members(archive: Path) -> "Generator[_Member, None, None]":
    with _reading(archive), zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            odd = None
            if info.flag_bits & 0x1:
                odd = "is encrypted"
            elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                odd = "is a link" if kind == stat.S_IFLNK else "is not a regular file"
            # The stored name, because zipfile ends its own at a zero byte.
            yield _Member(info.orig_filename, info.is_dir(), odd, info.file_size, partial(opened.open, info))


def _tar_members(archive: Path, kind: Kind) -> "Generator[_Member, None, None]":
    with _reading(archive):
        if kind in _PACKED:
            _check_inside(archive, kind)
        with _open_stream(archive, kind) as file:
            stream = Counted(file, archive)
            with tarfile.open(fileobj=cast(Any, stream), mode="r:") as opened:
                for info in opened:
                    # Stricter than tarfile.data_filter, which accepts links, names that only Windows takes for
                    # paths, and absolute paths without their slash.
                    odd = None
                    if info.issym() or info.islnk():
                        odd = "is a link"
                    elif info.issparse() or not (info.isreg() or info.isdir()):
                        odd = "is not a regular file"
                    yield _Member(
                        info.name, info.isdir(), odd, info.size, cast(Any, partial(opened.extractfile, info))
                    )
            # tarfile takes a damaged header for the end, and does not get to gzip's checksum.
            stream.read_to_end()


@contextmanager
def _open_stream(archive: Path, kind: Kind) -> Iterator[Readable]:
    """The bytes of a tar, unpacked."""
    if kind == "gzip":
        with gzip.open(archive) as packed:
            yield cast(Readable, packed)
        return
    with archive.open("rb") as file:
        yield Decompressed(file, kind, archive) if kind in _PACKED else file


def _check_inside(archive: Path, kind: Kind) -> None:
    """RAISES (ElmoError): If a single file was compressed, not a tar of several."""
    with _open_stream(archive, kind) as file:
        inside = sniff_head(file.read(_HEAD))
    if inside in _SINGLE:
        text = Errors.EL258.format(path=archive, kind=kind, command=unpack_command(archive, kind))
        raise RefusedError(text)
