"""Atomic writing: a file appears under its final name only when it is complete."""

import errno
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import Errors
from .temporary import hold, remove, remove_stale, temporary_prefix, temporary_suffix

_unfinished: dict[Path, int] = {}
if hasattr(os, "register_at_fork"):
    # A child must not remove the temporary files of its parent.
    os.register_at_fork(after_in_child=_unfinished.clear)
# Errors of a full or read-only disk. Others, such as a missing file, may be about what is read in the meantime.
WRITE_ERRORS = {
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
# The errno in the text of an error: Rust's and HDF5's errors give it nowhere else.
_NUMBER = re.compile(r"\(os error (\d+)\)|errno = (\d+)")


class WriteError(OSError):
    """A file could not be written.

    errno (int | None): The number of the system's error.
    reason (str): The reason without path and advice.
    """

    def __init__(self, path: Path, number: int | None, reason: str):
        """Make the message.

        path (Path): The final name of the file.
        number (int | None): The number of the system's error.
        reason (str): The reason in words.
        """
        super().__init__()
        self.errno = number
        self.reason = reason
        advice = _ADVICE.get(number or -1, "What was there before is whole.")
        self._text = Errors.EL221.format(path=path, reason=reason, advice=advice)

    def __str__(self) -> str:
        return self._text


@contextmanager
def atomic_write(path: Path, *, in_folder: bool = False) -> Iterator[Path]:
    """Write to a temporary file, which is renamed when the block ends without an error.

    After an error the temporary file is removed, and the file at `path` stays as it was. A link is followed: its
    target is replaced. A file that is replaced passes on its mode and, if the system allows it, its owner; a new
    one gets the mode that the umask allows. Temporary files of killed processes in the same folder are removed.

    path (Path): The final name of the file.
    in_folder (bool): Create a temporary folder for the file, for libraries that create other files beside it.
    YIELDS (Path): The temporary path.
    RAISES (OSError): If `path` exists and is not a regular file.
    RAISES (WriteError): If the file cannot be written.
    """
    given, made, temporary = path, None, None
    try:
        path = path.resolve()
        before = path.stat() if path.exists() else None
        if before is not None and not path.is_file():
            raise OSError(Errors.EL220.format(path=given))
        remove_stale(path.parent)
        made, mode = _create(path, in_folder=in_folder)
        temporary = made / path.name if in_folder else made
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _set_mode(temporary, before, mode)
        os.replace(temporary, path)
    except Exception as error:
        found = _explain_error(error, given, path, temporary)
        if found is None:
            raise
        raise found from error
    finally:
        if made is not None:
            remove(made)
            _release(made)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create a temporary folder, which is removed after the block.

    If the process is killed, the next call of this function removes it.

    YIELDS (Path): The folder.
    """
    place = Path(tempfile.gettempdir())
    remove_stale(place)
    made, _ = _create(place / "spacy_elmo", in_folder=True)
    try:
        yield made
    finally:
        remove(made)
        _release(made)


def remove_unfinished() -> None:
    """Remove the temporary files and folders of all running blocks, before the process ends."""
    for made in list(_unfinished):
        remove(made)


def _create(path: Path, *, in_folder: bool) -> tuple[Path, int]:
    """RETURNS (tuple[Path, int]): A new temporary file or folder, and the mode of new files in its folder."""
    while True:
        made = path.parent / f"{temporary_prefix(path.name)}{secrets.token_hex(4)}{temporary_suffix()}"
        if in_folder:
            made.mkdir()
        else:
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            # The mode shows the umask; reading the umask itself would set it for all threads.
            mode = made.stat().st_mode & 0o666
            # Until it is complete, only its owner can read it.
            made.chmod(0o700 if in_folder else 0o600)
            held = hold(made)
        except FileNotFoundError:
            # Another writer considered it stale before the lock, and removed it.
            continue
        except OSError:
            remove(made)
            raise
        if held is not None:
            _unfinished[made] = held
            return made, mode


def _release(made: Path) -> None:
    handle = _unfinished.pop(made, -1)
    if handle >= 0:
        os.close(handle)


def _set_mode(temporary: Path, before: os.stat_result | None, mode: int) -> None:
    if before is None:
        temporary.chmod(mode)
        return
    if hasattr(os, "chown"):
        # The owner first, because a change of owner clears bits of the mode. Only some users may change it.
        with suppress(OSError):
            os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(before.st_mode & 0o7777)


def _explain_error(error: Exception, given: Path, path: Path, temporary: Path | None) -> WriteError | None:
    """Explain an error; None if it has a message of ours, or is about another file."""
    if isinstance(error, WriteError) or str(error).startswith("[E"):
        return (
            None if not str(error).startswith("[Errno") else _explain_system_error(error, given, path, temporary)
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _explain_system_error(error, given, path, temporary)
    found = _NUMBER.search(str(error))
    if found is None:
        return None
    number = int(found.group(1) or found.group(2))
    return WriteError(given, number, os.strerror(number)) if number in WRITE_ERRORS else None


def _explain_system_error(error: Exception, given: Path, path: Path, temporary: Path | None) -> WriteError | None:
    assert isinstance(error, OSError)
    # If there is no temporary file yet, creating it has failed.
    ours = temporary is None or str(error.filename) == str(temporary)
    if not ours and not (error.filename is None and error.errno in WRITE_ERRORS):
        return None
    return WriteError(given, error.errno, error.strerror or str(error))
