"""Parts of a training batch on the CPU, by threads that wait for each other at its end alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from .isolation import computation, flush_denormals
from .workers import Workers

T = TypeVar("T")
R = TypeVar("R")

# Whatever number of threads there is: where sums are cut, their last bits are decided.
N_PARTS = 2


class Parts:
    """Does parts side by side.

    n_threads (int | None): How many work; see `count_workers`. More than there are parts divide the operations of
        each.
    """

    def __init__(self, n_threads: int | None = None):
        self._workers = Workers(n_threads)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Call a function for each item, side by side. Gradients are recorded.

        function (Callable[[T], R]): Needs nothing of other calls.
        items (Sequence[T]): Its arguments.
        RETURNS (list[R]): In the order of the items.
        """

        def part(item: T) -> R:
            with computation(gradients=True), flush_denormals():
                return function(item)

        return self._workers.map(part, items)


def split_shares(n: int) -> list[slice]:
    """What each part has of n items; one part at least."""
    return [slice(k, None, N_PARTS) for k in range(max(1, min(N_PARTS, n)))]


def join(parts: Sequence[Tensor], shares: Sequence[slice]) -> Tensor:
    """Rows of parts in the order of all items, without their graph. parts: (n_rows of its share, width) each."""
    rows = parts[0].new_empty(sum(map(len, parts)), parts[0].size(1))
    for part, share in zip(parts, shares, strict=True):
        rows[share] = part.detach()
    return rows


class Dropout:
    """As torch's, with random numbers of its own: those of the process come in the order of its threads.

    share (float): Of the numbers that are zeroed.
    seed (int): What is zeroed depends on it, and on nothing else.
    """

    def __init__(self, share: float, seed: int):
        self._share = share
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, x: Tensor) -> Tensor:
        if not self._share:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self._share, generator=self._generator)
        return x * kept.div_(1 - self._share)
