"""Streams in batches: split by a budget, and submitted ahead of their use."""

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
    """Split a stream into groups of consecutive items, lazily.

    items (Iterable[T]): The stream.
    size (Callable[[T], int]): Returns the size of an item.
    budget (int | Callable[[], int]): The largest sum of sizes in a group; a larger item is a group alone. A
        function is called for each group, after its first item is read.
    most (int | None): The most items in a group, which is then yielded before another item is read; None: no
        limit.
    YIELDS (list[T]): Each group.
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
    """Work in progress; see `runtime.workers.Pending`."""

    def result(self) -> R_co: ...

    @property
    def cancel(self) -> Callable[[], object]: ...


def run_ahead(begun: Iterable[Waiting[Iterable[R]]], *, ahead: Callable[[], int]) -> Iterator[R]:
    """Yield the results of all items, in order, while later items are in progress.

    begun (Iterable[Waiting[Iterable[R]]]): The items; to read one starts its work.
    ahead (Callable[[], int]): Returns how many items may be in progress when one more is waited for; 0: each is
        finished before the next is read.
    YIELDS (R): The results of each item.
    RAISES (Exception): An error of reading an item, after the results of all earlier items.
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
                # First the results of items before the error, as if each had been finished at once.
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
