"""Safe reading of users' files: regular files up to a size, numbered lines, and errors that say the cause."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import ElmoBlockingIOError, ElmoError, ElmoOSError, ElmoPermissionError, Errors
from ..errors.advice import LOCK, READING

# The beginning of the small file that Git LFS leaves in place of a large one (git-lfs, docs/spec.md).
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MOST_OF_A_POINTER = 1024
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
    """Refuse pipes and devices, which may block a reader or never end, and folders.

    path (Path): The file.
    RETURNS (os.stat_result): The status of the file.
    RAISES (ElmoError): If it is not a regular file.
    RAISES (FileNotFoundError): If it does not exist.
    RAISES (OSError): If the system refuses access, with a code and advice.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise reading_error(path, error) or error from error
    if not stat.S_ISREG(status.st_mode):
        what = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise ElmoError(Errors.EL251.format(path=path, what=what))
    return status


def check_readable(path: Path) -> None:
    """Open the file, because libraries mistake a refusal of the system for damage, and pointers of Git LFS, too.

    path (Path): The file.
    RAISES (ElmoError): If it is not a regular file, or is a pointer of Git LFS.
    RAISES (OSError): If the system refuses access.
    """
    data = read_bytes(path, n_bytes=_MOST_OF_A_POINTER)
    if data.startswith(LFS_POINTER):
        raise _pointer_error(path, data)


def _pointer_error(path: Path, data: bytes) -> ElmoError:
    size = re.search(rb"^size (\d{1,18})\s*$", data[:_MOST_OF_A_POINTER], re.MULTILINE)
    of_size = f", which has {int(size[1]):,} bytes" if size else ""
    return ElmoError(Errors.EL299.format(path=path, size=of_size))


def read_bytes(path: Path, *, n_bytes: int) -> bytes:
    """Read the first bytes of a regular file.

    path (Path): The file.
    n_bytes (int): The most bytes to read.
    RETURNS (bytes): The bytes; fewer if the file is shorter.
    RAISES (ElmoError): If it is not a regular file.
    RAISES (OSError): If the system refuses access.
    """
    # The kernel's own files have size 0, and may block a reader.
    size = check_regular(path).st_size
    try:
        with path.open("rb") as file:
            return file.read(min(n_bytes, size))
    except OSError as error:
        raise reading_error(path, error) or error from error


def read_small(path: Path, *, most: int) -> bytes:
    """Read a regular file that has no reason to be large.

    path (Path): The file.
    most (int): The most bytes that it may have.
    RETURNS (bytes): All of its content.
    RAISES (ElmoError): If it is not a regular file, is too large, or is a pointer of Git LFS.
    RAISES (OSError): If the system refuses access.
    """
    size = check_regular(path).st_size
    if size > most:
        raise ElmoError(Errors.EL252.format(path=path, size=size, most=most))
    data = read_bytes(path, n_bytes=most)
    if data.startswith(LFS_POINTER):
        raise _pointer_error(path, data)
    return data


def reading_error(path: Path, error: BaseException) -> Exception | None:
    """Explain an error of the system: a lock, permissions, the disk.

    path (Path): The file that was read.
    error (BaseException): What the system or a library raised.
    RETURNS (Exception | None): The error to raise; None if the content of the file may be the cause.
    """
    if isinstance(error, MemoryError):
        return ElmoOSError(Errors.EL253.format(path=path, reason="out of memory", advice=READING[errno.ENOMEM]))
    if not isinstance(error, OSError):
        return None
    number = error.errno
    if number is None:
        # HDF5 and other libraries give the number in their text.
        found = re.search(r"(?:errno = |os error )(\d+)", str(error))
        number = int(found[1]) if found else None
    if number not in READING:
        return None
    is_lock = READING[number] is LOCK
    reason = f"the file is locked: {os.strerror(number)}" if is_lock else os.strerror(number)
    text = Errors.EL253.format(path=path, reason=reason, advice=READING[number])
    return _CODED.get(type(error), ElmoOSError)(text)


class Line(NamedTuple):
    """A line of a file.

    number (int): Its number, from 1.
    text (str): Its text without the line feed.
    n_bytes (int): Its size in the file, with the line feed.
    """

    number: int
    text: str
    n_bytes: int


def numbered_lines(file: Iterable[bytes], path: Path) -> Iterator[Line]:
    """Decode the lines of a file, in UTF-8.

    Only a line feed ends a line: Unicode's other separators occur inside sentences.

    file (Iterable[bytes]): The lines.
    path (Path): The file, for messages.
    YIELDS (Line): Each line.
    RAISES (ElmoError): When it reaches a line that is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            reason = f"not UTF-8 ({error.reason} at byte {error.start})"
            advice = "Convert the file, for example by: iconv -f LATIN1 -t UTF-8 OLD >NEW"
            raise bad_line(path, number, reason, advice) from error
        yield Line(number, text.rstrip("\r\n"), len(line))


def bad_line(path: Path, number: int, reason: str, advice: str = "") -> ValueError:
    """Make the error for a line that cannot be used.

    path (Path): The file.
    number (int): The number of the line.
    reason (str): What is wrong with it.
    advice (str): What to do, a sentence; "": the reason says it.
    RETURNS (ValueError): The error to raise.
    """
    names = {"reason": reason, "advice": f" {advice}" if advice else ""}
    return ElmoError(Errors.EL061.format(path=path, line=number, **names))
