"""Forks wait for work in progress, and a forked process starts with free locks and one thread of torch."""

import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

# Seconds that a fork waits for the work of other threads: many times what a batch takes. Locks that are still held
# after that are replaced in the forked process.
PATIENCE = 30.0


class _Process:
    """Which threads of this process work, and which are about to fork it.

    A fork copies the memory as it is, but only the thread that forks. Locks that other threads hold then, ours
    or those of torch or MKL, are never released in the forked process.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._depth: dict[int, int] = {}
        self.n_tasks = 0
        self._forking: list[int] = []
        self._has_worked = False
        # A forked process, before torch's threads are limited.
        self._is_new = False
        self.is_forked = False
        self.locks: weakref.WeakSet[ForkLock] = weakref.WeakSet()

    def begin(self) -> None:
        """Begin work of this thread; waits while another thread forks."""
        me = threading.get_ident()
        with self.changed:
            if me not in self._depth and self._forking and me not in self._forking:
                self.changed.wait_for(lambda: not self._forking)
            self._depth[me] = self._depth.get(me, 0) + 1
        self._has_worked = True
        if self._is_new:
            self._limit_threads()

    def end(self) -> None:
        """End work of this thread."""
        me = threading.get_ident()
        with self.changed:
            self._depth[me] -= 1
            if not self._depth[me]:
                del self._depth[me]
                if self._forking:
                    self.changed.notify_all()

    def end_task(self) -> None:
        """Note that a registered task is done."""
        with self.changed:
            self.n_tasks -= 1
            if self._forking:
                self.changed.notify_all()

    def begin_task(self) -> None:
        """Begin a registered task, without waiting for a fork, which waits for the task."""
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
        """Limit torch to one thread. Its threads do not survive a fork, and waiting for them never ends;
        besides, the other processes use the other cores."""
        self._is_new = False
        torch.set_num_threads(1)


process = _Process()


@contextmanager
def work() -> Iterator[None]:
    """Make forks by other threads wait until the block ends."""
    process.begin()
    try:
        yield
    finally:
        process.end()


def register_tasks(tasks: Sequence[Callable[[], None]]) -> list[Callable[[], None]]:
    """Register tasks for other threads. Forks wait until they are done, even before they begin.

    tasks (Sequence[Callable[[], None]]): The tasks.
    RETURNS (list[Callable[[], None]]): Functions that run the tasks, each to be called at least once. Further
        calls of one do nothing.
    """
    # After a fork in progress, which would not wait for these.
    process.begin()
    try:
        with process.changed:
            process.n_tasks += len(tasks)
        return [_Task([task]) for task in tasks]
    finally:
        process.end()


@dataclass(frozen=True)
class _Task:
    """A task that one of several threads runs.

    waiting (list[Callable[[], None]]): The task, until a thread has taken it.
    """

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
    """Check whether this process was forked after this package was imported; then torch's threads are gone.

    RETURNS (bool): Whether it was.
    """
    return process.is_forked


class ForkLock:
    """A reentrant lock. It is free in a forked process, and in a copy.

    reset (Callable[[], None] | None): A method that is called in the forked process if another thread held the
        lock, to clear data that may be half changed.
    """

    def __init__(self, reset: Callable[[], None] | None = None):
        self._lock = threading.RLock()
        self._owner: int | None = None
        self._depth = 0
        # Weak, so that the lock does not keep its owner alive.
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

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
        self._lock.release()
        process.end()

    def __reduce__(self) -> tuple[type["ForkLock"], tuple[()]]:
        return ForkLock, ()

    def renew(self, thread: int) -> None:
        """Free the lock in a forked process.

        thread (int): The only thread of the process.
        """
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
