"""Forks: they wait for work under way, and a forked process starts with free locks and one torch thread."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

# Seconds that a fork waits for the work of other threads: many times what a batch takes. What is still locked
# after that, the forked process makes again.
PATIENCE = 30.0


class _Process:
    """Which threads of this process are at work, and which are about to fork it.

    A fork copies memory as it is at that moment, and of the threads only the one that forks. What others hold
    then, locks of ours, of torch or of MKL, nobody in the forked process lets go.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._depth: dict[int, int] = {}
        self.n_tasks = 0
        self._forking: list[int] = []
        self._has_worked = False
        # A forked process: torch has not been told yet.
        self._is_new = False
        self.is_forked = False
        self.locks: weakref.WeakSet[ForkLock] = weakref.WeakSet()

    def begin(self) -> None:
        me = threading.get_ident()
        with self.changed:
            if me not in self._depth and self._forking and me not in self._forking:
                self.changed.wait_for(lambda: not self._forking)
            self._depth[me] = self._depth.get(me, 0) + 1
        self._has_worked = True
        if self._is_new:
            self._limit_threads()

    def end(self) -> None:
        me = threading.get_ident()
        with self.changed:
            self._depth[me] -= 1
            if not self._depth[me]:
                del self._depth[me]
                if self._forking:
                    self.changed.notify_all()

    def end_task(self) -> None:
        with self.changed:
            self.n_tasks -= 1
            if self._forking:
                self.changed.notify_all()

    def begin_task(self) -> None:
        """As `begin`, for work that was entrusted: a fork waits for that anyway."""
        me = threading.get_ident()
        with self.changed:
            self._depth[me] = self._depth.get(me, 0) + 1

    def before_fork(self) -> None:
        def is_quiet() -> bool:
            return not self.n_tasks and self._depth.keys() <= {*self._forking}

        with self.changed:
            self._forking.append(threading.get_ident())
            self.changed.wait_for(is_quiet, timeout=PATIENCE)

    def after_fork_in_parent(self) -> None:
        me = threading.get_ident()
        with self.changed:
            self._forking = [thread for thread in self._forking if thread != me]
            self.changed.notify_all()

    def after_fork_in_child(self) -> None:
        me = threading.get_ident()
        self.changed = threading.Condition()
        self._depth = {thread: depth for thread, depth in self._depth.items() if thread == me}
        self.n_tasks = 0
        self._forking = []
        self._is_new = self.is_forked = True
        for lock in list(self.locks):
            lock.renew(me)
        if self._has_worked:
            self._limit_threads()

    def _limit_threads(self) -> None:
        """Torch's threads do not survive a fork, and waiting for them never ends. One thread is right anyway: the
        other processes use the other cores."""
        self._is_new = False
        torch.set_num_threads(1)


process = _Process()


@contextmanager
def work() -> Iterator[None]:
    """Something that a fork by another thread must not cut in half: it waits until the block ends."""
    process.begin()
    try:
        yield
    finally:
        process.end()


def register_tasks(tasks: Sequence[Callable[[], None]]) -> list[Callable[[], None]]:
    """Register work for other threads, which begin it when they can. A fork waits until it is done, from now on.

    tasks (Sequence[Callable]): The work.
    RETURNS (list[Callable]): The tasks, each to be called once at least. It is done once, whoever calls it too.
    """
    # A fork that has begun would not know of these.
    process.begin()
    try:
        with process.changed:
            process.n_tasks += len(tasks)
        return [_Task([task]) for task in tasks]
    finally:
        process.end()


@dataclass(frozen=True)
class _Task:
    """waiting (list[Callable]): The task, until one of several threads has taken it."""

    waiting: list[Callable[[], None]]

    def __call__(self) -> None:
        try:
            task = self.waiting.pop()
        except IndexError:
            return
        try:
            process.begin_task()
            try:
                task()
            finally:
                process.end()
        finally:
            process.end_task()


def is_forked() -> bool:
    """Whether this process was forked after this package was imported: torch's threads did not survive that."""
    return process.is_forked


class ForkLock:
    """A lock for one thread at a time, which may take it again. Nobody holds it in a process that was forked, nor
    in a copy.

    reset (Callable[[], None] | None): A method that is called in the forked process if another thread held the
        lock, to empty what may have been half changed.
    """

    def __init__(self, reset: Callable[[], None] | None = None):
        self._lock = threading.RLock()
        self._owner: int | None = None
        self._depth = 0
        # Weak: what has the lock is freed as soon as nobody else needs it.
        self._reset = None if reset is None else weakref.WeakMethod(reset)
        process.locks.add(self)

    def __enter__(self) -> "ForkLock":
        process.begin()
        try:
            self._lock.acquire()
        except BaseException:
            process.end()
            raise
        self._owner = threading.get_ident()
        self._depth += 1
        return self

    def __exit__(self, *exc: Any) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
        self._lock.release()
        process.end()

    def __reduce__(self) -> tuple[Any, ...]:
        return ForkLock, ()

    def renew(self, thread: int) -> None:
        """To be called in a forked process, whose only thread is this."""
        if self._owner in (None, thread):
            return
        self._lock, self._owner, self._depth = threading.RLock(), None, 0
        reset = None if self._reset is None else self._reset()
        if reset is not None:
            reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=process.before_fork,
        after_in_parent=process.after_fork_in_parent,
        after_in_child=process.after_fork_in_child,
    )
