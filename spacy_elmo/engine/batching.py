"""Batches by a budget of tokens, so that memory is bounded whatever comes in."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


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
