"""Streams in batches: cut by a budget, and begun ahead of their use."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


def windows(
    items: Iterable[T],
    *,
    size: Callable[[T], int],
    budget: int | Callable[[], int],
    most: int | None = None,
) -> Iterator[list[T]]:
    """Groups of consecutive items whose sizes add up to `budget` at most, read lazily.

    An item beyond the budget is a group of its own. budget: one that may change is asked for anew for each group,
    once there is an item. most: items in a group; a group that has them waits for no further item.
    """
    group: list[T] = []
    total = limit = 0
    for item in items:
        added = size(item)
        if group and total + added > limit:
            yield group
            group, total = [], 0
        if not group:
            limit = budget() if callable(budget) else budget
        group.append(item)
        total += added
        if total >= limit or len(group) == most:
            yield group
            group, total = [], 0
    if group:
        yield group


class Waiting(Protocol[R_co]):
    """Work that has begun; see `runtime.workers.Pending`."""

    def result(self) -> R_co: ...

    @property
    def cancel(self) -> Callable[[], object]: ...


def run_ahead(begun: Iterable[Waiting[Iterable[R]]], *, ahead: Callable[[], int]) -> Iterator[R]:
    """Yield the results of all items, in order. While the next items are read, and thus begun, work is done.

    begun (Iterable[Waiting]): An item begins when it is read.
    ahead (Callable[[], int]): How many items may be under way when one more is waited for; 0: each is finished
        before the next is read.
    YIELDS (R): The results of each item.
    RAISES (Exception): What reading an item has raised, after the results of all items before it.
    """
    waiting: deque[Waiting[Iterable[R]]] = deque()
    source = iter(begun)
    try:
        while True:
            try:
                waiting.append(next(source))
            except StopIteration:
                break
            except Exception:
                # Nobody would have waited for these, had they been finished at once.
                while waiting:
                    yield from waiting.popleft().result()
                raise
            while len(waiting) > ahead():
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for item in waiting:
            item.cancel()
