"""Threads that compute in parallel, each with one of torch's threads.

The threads of one operation wait for each other at its end. If other programs use the processors, one of them
is often late, and the others spin, hundreds of times a batch. Independent parts of a batch are waited for only
once.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import torch

from .forks import ForkLock, is_forked, register_tasks
from .isolation import computation
from .processors import count_processors, count_workers
from .threads import set_own_threads

T = TypeVar("T")
R = TypeVar("R")
Part = Callable[[], None]


def _do_nothing() -> None:
    pass


@dataclass(frozen=True)
class Pending(Generic[R]):
    """A result in progress, while its caller does something else.

    wait (Callable[[], R]): Wait for the result and return it, or raise what was raised while it was computed.
    cancel (Callable[[], object]): Skip what has not begun.
    """

    wait: Callable[[], R]
    cancel: Callable[[], object] = _do_nothing

    def result(self) -> R:
        """Wait for the result.

        RETURNS (R): The result.
        RAISES (Exception): What was raised while it was computed.
        """
        return self.wait()


@dataclass(frozen=True)
class Plan(Generic[R]):
    """Work that can be divided.

    parts (Sequence[Part]): Independent parts, which any thread may run in any order. If there is no part, the
        caller computes the result at once.
    finish (Callable[[], R]): Returns the result; called after all parts, by the thread that runs the last.
    """

    parts: Sequence[Part]
    finish: Callable[[], R]

    @classmethod
    def from_result(cls, result: R) -> "Plan[R]":
        """Make a plan for a result that exists.

        result (R): The result.
        RETURNS (Plan[R]): A plan without parts.
        """
        return cls([], lambda: result)


@dataclass(eq=False)
class Workers:
    """Runs the parts of plans, with as many threads as a model may use.

    n_threads (int | None): See `Settings`.
    """

    n_threads: int | None = None

    def start(self, plan: Plan[R]) -> Pending[R]:
        """Start a plan.

        plan (Plan[R]): The plan.
        RETURNS (Pending[R]): Its result, or the error of the first part that failed.
        """
        future = self._start(plan)
        return Pending(future.result, future.cancel)

    def _start(self, plan: Plan[R]) -> "Future[R]":
        number = count_processors() if self.n_threads is None else count_workers(self.n_threads)
        if not plan.parts or _local.is_worker or (number == 1 and torch.get_num_threads() == 1):
            return _do_at_once(plan)
        work = _Work(plan)
        pool = _pools.get((os.getpid(), number)) or _make_pool(number)
        pool.submit(work.run, len(plan.parts))
        return work.future

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Call a function for each item, in parallel.

        function (Callable[[T], R]): The function; its calls must be independent.
        items (Sequence[T]): Its arguments.
        RETURNS (list[R]): In the order of the items.
        """
        results: dict[int, R] = {}

        def run(number: int) -> None:
            results[number] = function(items[number])

        parts = [partial(run, number) for number in range(len(items))]
        future = self._start(Plan(parts, lambda: [results[number] for number in range(len(items))]))
        try:
            return future.result()
        except KeyboardInterrupt:
            # Parts in progress may change the caller's data: wait for them. The others are skipped.
            future.cancel()
            wait([future])
            raise


class _Work(Generic[R]):
    """A plan in progress."""

    def __init__(self, plan: Plan[R]):
        self.future: Future[R] = Future()
        self._parts = [*plan.parts]
        self._finish = plan.finish
        self._errors: dict[int, BaseException] = {}
        self._left = len(plan.parts)
        self._lock = threading.Lock()

    def run(self, number: int) -> None:
        """Run a part, and finish the plan if it is the last.

        number (int): The number of the part.
        """
        try:
            if not self.future.cancelled() and not self._errors:
                with computation():
                    self._parts[number]()
        except BaseException as error:
            self._errors[number] = error
        with self._lock:
            self._left -= 1
            is_last = not self._left
        if is_last and self.future.set_running_or_notify_cancel():
            self._conclude()

    def _conclude(self) -> None:
        self._parts.clear()
        try:
            if self._errors:
                raise self._errors[min(self._errors)]
            with computation():
                result = self._finish()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class _Pool:
    """Threads that take tasks from one queue.

    number (int): The number of threads.
    """

    def __init__(self, number: int):
        self._number = number
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="spacy_elmo", initializer=_become_worker)
        self._unfinished = 0
        self._lock = threading.Lock()

    def submit(self, run: Callable[[int], None], n_tasks: int) -> None:
        """Queue tasks.

        run (Callable[[int], None]): Called with the number of each task.
        n_tasks (int): The number of tasks.
        """
        with self._lock:
            self._unfinished += n_tasks
        waiting = register_tasks([partial(self._run, run, number, n_tasks) for number in range(n_tasks)])
        for task in waiting:
            try:
                self._threads.submit(task)
            except RuntimeError:
                # The interpreter is about to end, or the system has no thread left. The task may be queued anyway.
                task()

    def _run(self, run: Callable[[int], None], part: int, n_tasks: int) -> None:
        try:
            if _local.is_worker:
                # If there are more processors than tasks, torch divides each task. Not the last task of a plan
                # when the others are done, since more tasks come soon; nor in a forked process, without
                # torch's threads.
                number = 1 if is_forked() else self._number // max(n_tasks, self._unfinished)
                _use_threads(max(1, number))
            run(part)
        finally:
            with self._lock:
                self._unfinished -= 1


class _Local(threading.local):
    is_worker = False


_local = _Local()


def _become_worker() -> None:
    _local.is_worker = True


def _use_threads(number: int) -> None:
    # To set them takes a thread, which may fail as in `_Pool.submit`; the task must run nevertheless.
    with suppress(RuntimeError):
        set_own_threads(number)


# By process and number of threads. All models share them: two models at a time need no more processors than one.
_pools: dict[tuple[int, int], _Pool] = {}
_lock = ForkLock()


def _make_pool(number: int) -> _Pool:
    me = os.getpid()
    with _lock:
        if (me, number) not in _pools:
            # Threads of the process that this one was forked from do not exist here.
            for other in [key for key in _pools if key[0] != me]:
                del _pools[other]
            _pools[me, number] = _Pool(number)
        return _pools[me, number]


def _do_at_once(plan: Plan[R]) -> "Future[R]":
    future: Future[R] = Future()
    with computation():
        for part in plan.parts:
            part()
        future.set_result(plan.finish())
    return future
