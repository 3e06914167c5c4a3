"""Temporary files: their names, and which of them nobody writes any more."""

import os
import platform
import re
import shutil
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

try:
    import fcntl
except ImportError:  # On Windows, where a file that is open cannot be removed, nothing is.
    fcntl = None  # type: ignore[assignment]

_OURS = re.compile(r"\..*\.[a-z0-9_]{8}\.elmo-([0-9a-f]{8})\.tmp", re.S)
# Bytes that file systems allow in a name, less what is put around it.
_MOST_BYTES = 255 - 32
# Locks do not always reach other machines that use the same disk: what these have left is theirs for so long.
_FOREIGN_SECONDS = 7 * 24 * 3600


def temporary_prefix(name: str) -> str:
    """What the name of a temporary file begins with: the final name, as much of it as there is room for."""
    while len(os.fsencode(name)) > _MOST_BYTES:
        name = name[:-1]
    return f".{name}."


def temporary_suffix() -> str:
    """What it ends with: a mark of this package and this machine."""
    return f".elmo-{_machine_id()}.tmp"


def hold(made: Path) -> int | None:
    """Mark a new temporary file or folder as being written, until the handle is closed or the process ends.

    RETURNS: the handle to close; -1 if nothing is to be closed; None if it was taken away meanwhile.
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
        # Another process takes it for stale, and is about to remove it.
        os.close(handle)
        return None
    except OSError:  # The file system knows no locks.
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
    """Remove a temporary file or folder, if it is there."""
    with suppress(OSError):
        if made.is_dir():
            shutil.rmtree(made)
        else:
            made.unlink(missing_ok=True)


def remove_stale(folder: Path) -> None:
    """Remove temporary files of this package that no living process writes. Whatever fails is left alone."""
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
    flags: Any = 0
    for name in names:
        flags |= getattr(os, name, 0)
    return int(flags)
