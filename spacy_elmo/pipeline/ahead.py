"""Batches of a stream, and work on them that is begun before what was begun earlier is finished."""

from collections import deque
from typing import Callable, Deque, Iterable, Iterator, List, TypeVar

T = TypeVar("T")
B = TypeVar("B")
R = TypeVar("R")


def run_ahead(
    items: Iterable[T], begin: Callable[[T], B], finish: Callable[[B], Iterable[R]], *, ahead: Callable[[], int]
) -> Iterator[R]:
    """What `finish` gives for every item, in order. While items are read, work is under way.

    ahead: how many items may be under way when one more is finished; 0: each is finished before the next is read.
    An error of `items` or `begin` comes after the results of all items before it.
    """
    waiting: Deque[B] = deque()
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


def batches(
    items: Iterable[T], *, size: Callable[[T], int], budget: Callable[[], int], most: int
) -> Iterator[List[T]]:
    """As `windows`, with a budget that is asked for anew for each group: not before there is an item, and it may
    have become smaller."""
    group: List[T] = []
    total = limit = 0
    for item in items:
        rows = size(item)
        if group and total + rows > limit:
            yield group
            group, total = [], 0
        if not group:
            limit = budget()
        group.append(item)
        total += rows
        if total >= limit or len(group) == most:
            yield group
            group, total = [], 0
    if group:
        yield group
