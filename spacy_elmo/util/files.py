"""Files of users: only regular ones, up to a size; checksums, numbered lines, errors with their cause."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ElmoBlockingIOError, ElmoError, ElmoOSError, ElmoPermissionError, Errors
from ..errors.advice import LOCK, READING

# Where the user's cache is, if it is set.
CACHE_VARIABLE = "SPACY_ELMO_CACHE"

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
# Of the system's errors, those that stay what they are.
_CODED: dict[type[BaseException], type[OSError]] = {
    PermissionError: ElmoPermissionError,
    BlockingIOError: ElmoBlockingIOError,
}


def check_regular(path: Path) -> os.stat_result:
    """RETURNS: the file's facts.

    RAISES (ElmoError): For a pipe, a device or a folder, which may never end or make a reader wait for ever.
    RAISES (OSError): With a code if the system refuses to look.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise reading_error(path, error) or error from error
    if not stat.S_ISREG(facts.st_mode):
        what = _KINDS.get(stat.S_IFMT(facts.st_mode), "not a regular file")
        raise ElmoError(Errors.EL251.format(path=path, what=what))
    return facts


def check_readable(path: Path) -> None:
    """Open the file, so that the system's own refusal is known before a library makes damage of it.

    RAISES: as `check_regular`.
    """
    if check_regular(path).st_size:
        read_bytes(path, n_bytes=1)


def read_bytes(path: Path, *, n_bytes: int) -> bytes:
    """The first bytes of a regular file. RAISES: as `check_regular`."""
    # Files of the kernel state no size, and may make a reader wait.
    size = check_regular(path).st_size
    try:
        with path.open("rb") as file:
            return file.read(min(n_bytes, size))
    except OSError as error:
        raise reading_error(path, error) or error from error


def read_small(path: Path, *, most: int) -> bytes:
    """All of a regular file that has no reason to be large. RAISES: as `check_regular`; ElmoError if it has more
    than `most` bytes."""
    size = check_regular(path).st_size
    if size > most:
        raise ElmoError(Errors.EL252.format(path=path, size=size, most=most))
    return read_bytes(path, n_bytes=most)


def reading_error(path: Path, error: BaseException) -> Exception | None:
    """The error with a message, where it is the system's: a lock, permissions, the disk. None where the content of
    the file may be at fault."""
    if isinstance(error, MemoryError):
        return ElmoOSError(Errors.EL253.format(path=path, reason="out of memory", advice=READING[errno.ENOMEM]))
    if not isinstance(error, OSError):
        return None
    number = error.errno
    if number is None:
        # HDF5 and other libraries have it in their text.
        found = re.search(r"(?:errno = |os error )(\d+)", str(error))
        number = int(found[1]) if found else None
    if number not in READING:
        return None
    is_lock = READING[number] is LOCK
    reason = f"the file is locked: {os.strerror(number)}" if is_lock else os.strerror(number)
    text = Errors.EL253.format(path=path, reason=reason, advice=READING[number])
    return _CODED.get(type(error), ElmoOSError)(text)


if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 1 << 22


def sha256(path: Path) -> str:
    """SHA-256 of the file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_arrays(digest: "_Hash", arrays: Mapping[str, Any], names: Iterable[str]) -> None:
    """Add arrays to a digest, with their names, dtypes and shapes.

    digest (_Hash): An object of hashlib.
    arrays (Mapping[str, Any]): Numpy arrays by their names.
    names (Iterable[str]): Those to add, in this order.
    """
    for name in names:
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)


class Line(NamedTuple):
    """number: from 1. text: without its end. n_bytes: with its end, in the file."""

    number: int
    text: str
    n_bytes: int


def numbered_lines(file: Iterable[bytes], path: Path) -> Iterator[Line]:
    """The lines of a binary file, as UTF-8. Only a line feed ends a line: the other separators that Unicode knows
    occur inside sentences. path: for messages.

    RAISES (ElmoError): Once it is reached, for a line that is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            how = "convert the file, for example by iconv -f LATIN1 -t UTF-8"
            reason = f"not UTF-8 ({error.reason} at byte {error.start}); {how}"
            raise bad_line(path, number, reason) from error
        yield Line(number, text.rstrip("\r\n"), len(line))


def bad_line(path: Path, number: int, reason: str) -> ElmoError:
    """The error of a line that cannot be used."""
    return ElmoError(Errors.EL061.format(path=path, line=number, reason=reason))


def cache_folder() -> Path:
    """Where this user's cache is: the environment variable's folder, or where the system has caches."""
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE]).expanduser()
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("spacy_elmo"))
