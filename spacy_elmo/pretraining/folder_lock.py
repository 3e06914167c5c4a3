"""One run at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import Errors
from .processes import is_first_process

LOCK_NAME = ".lock"


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder. The operating system frees it if this process is killed.

    folder (Path): Of the run; made if need be. Of the processes of one run, the first one locks it.
    RAISES (BlockingIOError): If another run is at work there.
    """
    if not is_first_process():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_NAME, timeout=0)
    try:
        lock.acquire()
    except NotImplementedError:
        # Some network file systems have no locks; a run must work there all the same.
        yield
        return
    except Timeout as error:
        raise BlockingIOError(Errors.EL273.format(path=folder)) from error
    try:
        yield
    finally:
        lock.release()
