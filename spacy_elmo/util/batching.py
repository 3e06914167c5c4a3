"""Streams in batches: cut by a budget, and begun ahead of their use."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
B = TypeVar("B")
R = TypeVar("R")


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


def run_ahead(
    items: Iterable[T], begin: Callable[[T], B], finish: Callable[[B], Iterable[R]], *, ahead: Callable[[], int]
) -> Iterator[R]:
    """What `finish` gives for every item, in order. While items are read, work is under way.

    ahead: how many items may be under way when one more is finished; 0: each is finished before the next is read.
    An error of `items` or `begin` comes after the results of all items before it.
    """
    waiting: deque[B] = deque()
    source = iter(items)
    while True:
        try:
            waiting.append(begin(next(source)))
        except StopIteration:
            break
        except Exception:
            # Nobody would have waited for these, had they been finished at once.
            while waiting:
                yield from finish(waiting.popleft())
            raise
        while len(waiting) > ahead():
            yield from finish(waiting.popleft())
    while waiting:
        yield from finish(waiting.popleft())
