"""Files that appear under their final name only when they are complete: the one writer of the package."""

import errno
import os
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Dict, Iterator, Optional

from ..errors import Errors
from .stale import hold, remove_stale, temporary_prefix, temporary_suffix

_unfinished: Dict[Path, int] = {}
# What a full or closed place to write to answers with. Others, such as a file that is missing, may be of what is
# read meanwhile.
_WRITE_ERRORS = {
    getattr(errno, name) for name in ("ENOSPC", "EFBIG", "EDQUOT", "EROFS", "EIO") if hasattr(errno, name)
}
_ADVICE = {
    errno.ENOSPC: "Make room, or choose a place with more.",
    errno.EFBIG: "Raise the limit of a file's size (ulimit -f), or choose a file system that allows more.",
    getattr(errno, "EDQUOT", -1): "Make room, or have the quota raised.",
    errno.EROFS: "Choose a place that can be written.",
    errno.EACCES: "Choose a folder that you may write, or change its permissions.",
    errno.EPERM: "Choose a folder that you may write, or change its permissions.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ENOENT: "Create the folder, or choose another place.",
    errno.ENOTDIR: "Choose a place in a folder.",
    errno.EEXIST: "It is a file; give the name of a folder.",
}
# Of libraries that are not in Python: Rust's and HDF5's errors tell the number in their text alone.
_NUMBER = re.compile(r"\(os error (\d+)\)|errno = (\d+)")


class WriteError(OSError):
    """A file could not be written: the message names it by its final name. reason: without path and advice."""

    def __init__(self, path: Path, number: Optional[int], reason: str):
        super().__init__()
        self.errno = number
        self.reason = reason
        advice = _ADVICE.get(number or -1, "What was there before is whole.")
        self._text = Errors.EL221.format(path=path, reason=reason, advice=advice)

    def __str__(self) -> str:
        return self._text


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; rename it to `path` when the block ends well.

    If the block fails, the temporary file is removed and whatever was at `path` stays as it was. A link is
    followed: what it points to is replaced, not the link. A file that is replaced leaves its mode and, where that
    is allowed, its owner; a new one has what the umask grants. Temporary files that killed processes have left in
    the folder are removed.
    RAISES: OSError if `path` is there and no regular file; WriteError, an OSError, if it cannot be written.
    """
    given, temporary = path, None
    try:
        path = path.resolve()
        before = path.stat() if path.exists() else None
        if before is not None and not path.is_file():
            raise OSError(Errors.EL220.format(path=given))
        remove_stale(path.parent)
        temporary = _make(path)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _grant(temporary, before)
        _let_go(temporary)
        os.replace(temporary, path)
    except Exception as error:
        found = _write_error(error, given, path, temporary)
        if found is None:
            raise
        raise found from error
    finally:
        if temporary is not None:
            _let_go(temporary)
            temporary.unlink(missing_ok=True)


def remove_unfinished() -> None:
    """Remove the temporary files of every `atomic_write` that is under way: for a process about to end."""
    for temporary in list(_unfinished):
        with suppress(OSError):
            temporary.unlink()


def _make(path: Path) -> Path:
    while True:
        handle, name = tempfile.mkstemp(
            prefix=temporary_prefix(path.name), suffix=temporary_suffix(), dir=path.parent
        )
        temporary = Path(name)
        held = hold(handle, temporary)
        if held is not None:
            _unfinished[temporary] = held
            return temporary


def _let_go(temporary: Path) -> None:
    handle = _unfinished.pop(temporary, -1)
    if handle >= 0:
        os.close(handle)


def _grant(temporary: Path, before: Optional[os.stat_result]) -> None:
    if before is None:
        # mkstemp makes files that only their owner can read; others get what the umask grants.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        return
    if hasattr(os, "chown"):
        # The owner first: a change of owner takes bits from the mode. Not everybody may give files away.
        with suppress(OSError):
            os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(before.st_mode & 0o7777)


def _write_error(error: Exception, given: Path, path: Path, temporary: Optional[Path]) -> Optional[WriteError]:
    """What to raise instead of an error; None for one that tells enough, or is not of this file."""
    if isinstance(error, WriteError) or str(error).startswith("[E"):
        return None if not str(error).startswith("[Errno") else _of_system(error, given, path, temporary)
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error, given, path, temporary)
    found = _NUMBER.search(str(error))
    if found is None:
        return None
    number = int(found.group(1) or found.group(2))
    return WriteError(given, number, os.strerror(number)) if number in _WRITE_ERRORS else None


def _of_system(error: Exception, given: Path, path: Path, temporary: Optional[Path]) -> Optional[WriteError]:
    assert isinstance(error, OSError)
    # mkstemp names a file that was never made, in the same folder.
    ours = temporary is None or str(error.filename) == str(temporary)
    if not ours and not (error.filename is None and error.errno in _WRITE_ERRORS):
        return None
    return WriteError(given, error.errno, error.strerror or str(error))
