"""Torch's threads: how many work for one thread of the process, and two halves of a work side by side."""

import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Callable, Iterator, Tuple, TypeVar

import torch

from .forks import ForkLock

T = TypeVar("T")

# Held while the number that new threads begin with is not the process's.
_numbers = ForkLock()
_local = threading.local()


def fix_thread_number() -> None:
    """To be called before torch works in a thread: it asks how many threads work for it when it first works, and
    must not do so while `own_threads` has changed the answer."""
    if not getattr(_local, "fixed", False):
        with _numbers:
            torch.get_num_threads()
        _local.fixed = True


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


@contextmanager
def own_threads(number: int, *others: Executor) -> Iterator[None]:
    """Inside, so many of torch's threads work for this thread, and so many for those of the others, which have one
    each; for the rest of the process, as many as before.

    Torch's setting is that of the thread, and at the same time what new threads begin with. A new thread reads the
    latter first, and puts it back.
    """
    before = torch.get_num_threads()
    with ThreadPoolExecutor(max_workers=1) as keeper:
        with _numbers:
            of_process = keeper.submit(torch.get_num_threads).result()
            torch.set_num_threads(number)
            for other in others:
                # The first question would undo what is set before it.
                other.submit(torch.get_num_threads).result()
                other.submit(torch.set_num_threads, number).result()
            keeper.submit(torch.set_num_threads, of_process).result()
        try:
            yield
        finally:
            with _numbers:
                torch.set_num_threads(before)
                keeper.submit(torch.set_num_threads, of_process).result()


def both(half: Callable[[int], T], *, fewest: int = 2) -> Tuple[T, T]:
    """(half(0), half(1)): side by side, each on half of torch's threads, if there are `fewest` or more; else in
    turn, each on all of them.

    Halves that share nothing need not wait for each other at every operation, as the threads of one operation do;
    but in turn they leave more of the processor's cache to each other.
    """
    threads = torch.get_num_threads()
    if threads < fewest:
        return half(0), half(1)
    # The new thread lives for this work only: none is left over that a fork would lose.
    with ThreadPoolExecutor(max_workers=1) as pool, own_threads(threads // 2, pool):
        other = pool.submit(half, 1)
        return half(0), other.result()
