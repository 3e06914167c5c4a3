"""Threads: two halves of a work side by side, and torch in forked processes."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Callable, Iterator, Tuple, TypeVar

import torch

T = TypeVar("T")

_process = os.getpid()


def after_fork() -> None:
    """To be called before torch works: in a forked process, make it use one thread.

    OpenMP's threads do not survive a fork, and waiting for them never ends (spaCy's issue 6662). In a forked
    worker one thread is right anyway: its siblings use the other cores. Nothing changes in a process that was not
    forked since this module was imported.
    """
    global _process
    if os.getpid() != _process:
        _process = os.getpid()
        torch.set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """For operations on the processor that are so small that to wake up threads would take longer than they do."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def both(half: Callable[[int], T], *, fewest: int = 2) -> Tuple[T, T]:
    """(half(0), half(1)): side by side, each on half of torch's threads, if there are `fewest` or more; else in
    turn, each on all of them.

    Halves that share nothing need not wait for each other at every operation, as the threads of one operation do;
    but in turn they leave more of the processor's cache to each other.
    """
    threads = torch.get_num_threads()
    if threads < fewest:
        return half(0), half(1)
    # A thread asks for the number when it first works, so the new one gets what is set here; this one gets its
    # own back. The new thread lives for this work only: none is left over that a fork would lose.
    torch.set_num_threads(threads // 2)
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            other = pool.submit(half, 1)
            return half(0), other.result()
    finally:
        torch.set_num_threads(threads)
