"""Names and locks of temporary files, and removal of stale ones."""

import os
import platform
import re
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from zlib import crc32

try:
    import fcntl
except ImportError:  # Windows has no locks of this kind: stale files are not removed.
    fcntl = None  # type: ignore[assignment]

_OURS = re.compile(r"\..*\.[a-z0-9_]{8}\.elmo-([0-9a-f]{8})\.tmp", re.S)
# The most bytes that file systems allow in a name, less the rest of a temporary name.
_MOST_BYTES = 255 - 32
# Locks may not reach other machines that share the disk: their files count as in use for so long.
_FOREIGN_SECONDS = 7 * 24 * 3600


def temporary_prefix(name: str) -> str:
    """Make the start of a temporary name.

    name (str): The final name of the file.
    RETURNS (str): As much of it as a file system allows, between dots.
    """
    while len(os.fsencode(name)) > _MOST_BYTES:
        name = name[:-1]
    return f".{name}."


def temporary_suffix() -> str:
    """Make the end of a temporary name, which identifies the package and the machine.

    RETURNS (str): The end.
    """
    return f".elmo-{_machine_id()}.tmp"


def hold(made: Path) -> int | None:
    """Lock a new temporary file or folder until the handle is closed or the process ends.

    made (Path): The file or folder.
    RETURNS (int | None): The handle; -1 if there is no handle to close; None if another process removed the file.
    """
    if fcntl is None:
        return -1
    try:
        handle = os.open(made, os.O_RDONLY | _flags("O_CLOEXEC"))
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Another process considers it stale, and is about to remove it.
        os.close(handle)
        return None
    except OSError:  # The file system has no locks.
        return handle
    try:
        there = made.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        there = False
    if not there:
        os.close(handle)
        return None
    return handle


def remove(made: Path) -> None:
    """Remove a temporary file or folder; errors are ignored.

    made (Path): The file or folder; it need not exist.
    """
    with suppress(OSError):
        if made.is_dir():
            shutil.rmtree(made)
        else:
            made.unlink(missing_ok=True)


def remove_stale(folder: Path) -> None:
    """Remove temporary files of this package that no running process writes; errors are ignored.

    folder (Path): The folder to search.
    """
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = entry.name.endswith(".tmp") and _OURS.fullmatch(entry.name)
            if found:
                _remove_if_stale(Path(entry.path), ours=found.group(1) == _machine_id())


def _remove_if_stale(path: Path, *, ours: bool) -> None:
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | _flags("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if ours or time.time() - os.fstat(handle).st_mtime > _FOREIGN_SECONDS:
                remove(path)
        finally:
            os.close(handle)


@cache
def _machine_id() -> str:
    return f"{crc32(platform.node().encode('utf-8', 'ignore')):08x}"


def _flags(*names: str) -> int:
    flags = 0
    for name in names:
        flags |= int(getattr(os, name, 0))
    return flags
