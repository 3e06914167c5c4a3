"""Files that appear under their final name only when they are complete: the one writer of the package."""

import errno
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import CodedError, ElmoOSError, Errors
from ..errors.advice import WRITING
from .temporary import hold, remove, remove_stale, temporary_prefix, temporary_suffix

_unfinished: dict[Path, int] = {}
if hasattr(os, "register_at_fork"):
    # What the parent writes is not a child's to remove.
    os.register_at_fork(after_in_child=_unfinished.clear)
# What a full or closed place to write to answers with. Others, such as a file that is missing, may be of what is
# read meanwhile.
WRITE_ERRORS = {
    getattr(errno, name) for name in ("ENOSPC", "EFBIG", "EDQUOT", "EROFS", "EIO") if hasattr(errno, name)
}
# Of libraries that are not in Python: Rust's and HDF5's errors tell the number in their text alone.
_NUMBER = re.compile(r"\(os error (\d+)\)|errno = (\d+)")


class WriteError(CodedError, OSError):
    """A file could not be written: the message names it by its final name.

    path (Path): The file.
    number (int | None): The system's number of the error, which selects the advice.
    reason (str): The reason, without path and advice.
    """

    def __init__(self, path: Path, number: int | None, reason: str):
        super().__init__()
        self.errno = number
        self._path = path
        self.reason = reason
        advice = WRITING.get(number or -1, "The previous content is not affected.")
        self._text = Errors.EL221.format(path=path, reason=reason, advice=advice)

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path, self.errno, self.reason)


@contextmanager
def atomic_write(path: Path, *, in_folder: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; rename it to `path` when the block ends well.

    If the block fails, the temporary file is removed and whatever was at `path` stays as it was. A link is
    followed: what it points to is replaced, not the link. A file that is replaced leaves its mode and, where that
    is allowed, its owner; a new one has what the umask grants. Temporary files that killed processes have left in
    the folder are removed.

    path (Path): The file to write.
    in_folder (bool): Whether to give a path in a temporary folder, for a library that makes other files beside its
        output.
    YIELDS (Path): The temporary path.
    RAISES (ElmoOSError): If `path` exists and is not a regular file.
    RAISES (WriteError): An OSError, if it cannot be written.
    """
    given, made, temporary = path, None, None
    try:
        path = path.resolve()
        before = path.stat() if path.exists() else None
        if before is not None and not path.is_file():
            raise ElmoOSError(Errors.EL220.format(path=given))
        remove_stale(path.parent)
        made, mode = _make(path, in_folder=in_folder)
        temporary = made / path.name if in_folder else made
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _grant(temporary, before, mode)
        os.replace(temporary, path)
    except Exception as error:
        found = _write_error(error, given, path, temporary)
        if found is None:
            raise
        raise found from error
    finally:
        if made is not None:
            remove(made)
            _let_go(made)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder among the system's temporary files, which is removed when the block ends. If the process is
    killed, the next one that wants such a folder removes it."""
    place = Path(tempfile.gettempdir())
    remove_stale(place)
    made, _ = _make(place / "spacy_elmo", in_folder=True)
    owner = os.getpid()
    try:
        yield made
    finally:
        # A forked process that ends closes the block, too, but the folder is not its own.
        if os.getpid() == owner:
            remove(made)
        _let_go(made)


def remove_unfinished() -> None:
    """Remove the temporary files and folders of all blocks that are under way: for a process about to end."""
    for made in list(_unfinished):
        remove(made)


def _make(path: Path, *, in_folder: bool) -> tuple[Path, int]:
    """RETURNS: a new temporary file or folder, and the mode that new files have here."""
    while True:
        made = path.parent / f"{temporary_prefix(path.name)}{secrets.token_hex(4)}{temporary_suffix()}"
        if in_folder:
            made.mkdir()
        else:
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            # The umask is left to the system: to ask for it is to set it, for all threads.
            mode = made.stat().st_mode & 0o666
            # Only its owner can read it, until it is complete.
            made.chmod(0o700 if in_folder else 0o600)
            held = hold(made)
        except FileNotFoundError:
            # Another writer took it for stale, before it was held.
            continue
        except OSError:
            remove(made)
            raise
        if held is not None:
            _unfinished[made] = held
            return made, mode


def _let_go(made: Path) -> None:
    handle = _unfinished.pop(made, -1)
    if handle >= 0:
        os.close(handle)


def _grant(temporary: Path, before: os.stat_result | None, mode: int) -> None:
    if before is None:
        temporary.chmod(mode)
        return
    if hasattr(os, "chown"):
        # The owner first: a change of owner takes bits from the mode. Not everybody may give files away.
        with suppress(OSError):
            os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(before.st_mode & 0o7777)


def _write_error(error: Exception, given: Path, path: Path, temporary: Path | None) -> WriteError | None:
    """What to raise instead of an error; None for one that tells enough, or is not of this file."""
    if isinstance(error, CodedError):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        # Without a temporary file, it is this that could not be made.
        ours = temporary is None or str(error.filename) == str(temporary)
        if not ours and not (error.filename is None and error.errno in WRITE_ERRORS):
            return None
        return WriteError(given, error.errno, error.strerror or str(error))
    found = _NUMBER.search(str(error))
    if found is None:
        return None
    number = int(found.group(1) or found.group(2))
    return WriteError(given, number, os.strerror(number)) if number in WRITE_ERRORS else None
