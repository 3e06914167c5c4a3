"""Work that is begun before what was begun earlier is finished."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

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
