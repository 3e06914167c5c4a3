"""Batches by a budget of tokens, so that memory is bounded whatever comes in."""

from typing import Callable, Iterable, Iterator, List, Optional, Sequence, TypeVar

T = TypeVar("T")

# Sentences are sorted by length within windows of this many batches: wide enough that a batch holds
# sentences of about one length, narrow enough that results wait for little.
WINDOW_BATCHES = 2


def windows(
    items: Iterable[T], *, size: Callable[[T], int], budget: int, most: Optional[int] = None
) -> Iterator[List[T]]:
    """Groups of consecutive items whose sizes add up to `budget` at most, read lazily.

    An item beyond the budget is a group of its own. most: items in a group; a group that has them waits for no
    further item.
    """
    group: List[T] = []
    total = 0
    for item in items:
        if group and total + size(item) > budget:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
        if total >= budget or len(group) == most:
            yield group
            group, total = [], 0
    if group:
        yield group


def batches_by_length(lengths: Sequence[int], *, budget: int) -> Iterator[List[int]]:
    """Indices of the sentences, longest first, in batches of at most `budget` tokens.

    A sentence that is longer than the budget is a batch of its own.
    """
    batch: List[int] = []
    total = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and total + lengths[index] > budget:
            yield batch
            batch, total = [], 0
        batch.append(index)
        total += lengths[index]
    if batch:
        yield batch
