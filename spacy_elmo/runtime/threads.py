"""Torch's threads: how many work for one thread of the process."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from .forks import ForkLock

# Held while the number that new threads begin with is not the process's.
_numbers = ForkLock()


class _Local(threading.local):
    """is_fixed (bool): Whether torch has asked how many threads work for this thread."""

    is_fixed = False


local = _Local()


def fix_thread_number() -> None:
    """To be called before torch works in a thread: it asks how many threads work for it when it first works, and
    must not do so while `own_threads` has changed the answer."""
    if not local.is_fixed:
        with _numbers:
            torch.get_num_threads()
        local.is_fixed = True


@contextmanager
def one_thread() -> Iterator[None]:
    """For operations on the processor that are so small that to wake up threads would take longer than they do.
    One thread of the process is in here at a time."""
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
    """So many of torch's threads work for this thread from now on; for the rest of the process, as many as before.

    Torch's setting is that of the thread, and at the same time what new threads begin with. A new thread reads the
    latter first, and puts it back.
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
    """Inside, so many of torch's threads work for this thread; for the rest of the process, as many as before."""
    fix_thread_number()
    before = torch.get_num_threads()
    set_own_threads(number)
    try:
        yield
    finally:
        set_own_threads(before)
