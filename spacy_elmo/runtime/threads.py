"""The number of torch's threads that work for one thread of the process."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from .forks import ForkLock

# Held while the number that new threads start with is not that of the process.
_numbers = ForkLock()


class _Local(threading.local):
    """The state of a thread.

    is_fixed (bool): Whether torch has read the number of threads for this thread.
    """

    is_fixed = False


local = _Local()


def fix_thread_number() -> None:
    """Make torch read the number of threads for this thread. It does so when it first works in a thread, which
    must not happen while `own_threads` has changed the number."""
    if not local.is_fixed:
        with _numbers:
            torch.get_num_threads()
        local.is_fixed = True


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one of torch's threads for operations on the CPU that are so small that to wake up threads would
    take longer. Only one thread of the process runs such a block at a time."""
    with _numbers:
        threads = torch.get_num_threads()
        if threads == 1:
            yield
            return
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def set_own_threads(number: int) -> None:
    """Set the number of torch's threads for this thread only.

    Torch's setter changes the number of the thread and the number that new threads start with. The latter is
    read by a new thread first, and restored.

    number (int): The number of threads.
    """
    fix_thread_number()
    if torch.get_num_threads() == number:
        return
    with ThreadPoolExecutor(max_workers=1) as keeper, _numbers:
        of_process = keeper.submit(torch.get_num_threads).result()
        torch.set_num_threads(number)
        keeper.submit(torch.set_num_threads, of_process).result()


@contextmanager
def own_threads(number: int) -> Iterator[None]:
    """Use a number of torch's threads for this thread in the block.

    number (int): The number of threads.
    """
    fix_thread_number()
    before = torch.get_num_threads()
    set_own_threads(number)
    try:
        yield
    finally:
        set_own_threads(before)
