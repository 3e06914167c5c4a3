"""Parts of a training batch on the CPU, by threads that wait for each other at its end alone."""

from typing import Callable, List, Sequence, TypeVar

from ..engine.isolation import computation, flush_denormals
from ..engine.workers import Workers

T = TypeVar("T")
R = TypeVar("R")

# Whatever number of threads there is: where sums are cut, their last bits are decided.
N_PARTS = 2


class Parts:
    """Does parts side by side.

    n_threads: how many work. More than there are parts divide the operations of each.
    """

    def __init__(self, n_threads: int):
        self._workers = Workers(n_threads)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> List[R]:
        """The function, which needs nothing of other calls, of each item; in their order."""

        def part(item: T) -> R:
            with computation(gradients=True), flush_denormals():
                return function(item)

        return self._workers.map(part, items)
