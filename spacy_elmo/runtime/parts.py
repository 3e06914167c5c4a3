"""Parts of a training batch on the CPU, run by threads that wait for each other only at its end."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from .isolation import computation, flush_denormals
from .workers import Workers

T = TypeVar("T")
R = TypeVar("R")

# Independent of the number of threads: the last bits of sums depend on how they are split.
N_PARTS = 2


class Parts:
    """Runs parts in parallel.

    n_threads (int | None): The number of threads; see `count_workers`. If there are more threads than parts, they
        divide the operations of each part.
    """

    def __init__(self, n_threads: int | None = None):
        self._workers = Workers(n_threads)

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Call a function for each item, in parallel. Gradients are recorded.

        function (Callable[[T], R]): The function; its calls must be independent.
        items (Sequence[T]): Its arguments.
        RETURNS (list[R]): In the order of the items.
        """

        def part(item: T) -> R:
            with computation(gradients=True), flush_denormals():
                return function(item)

        return self._workers.map(part, items)


def split_shares(n: int) -> list[slice]:
    """Split items into shares, one for each part.

    n (int): The number of items.
    RETURNS (list[slice]): The items of each part; at least one part.
    """
    return [slice(k, None, N_PARTS) for k in range(max(1, min(N_PARTS, n)))]


def join(parts: Sequence[Tensor], shares: Sequence[slice]) -> Tensor:
    """Join rows of parts in the order of all items, without their graph.

    parts (Sequence[Tensor]): (n_rows of the share, width) each.
    shares (Sequence[slice]): As from `split_shares`.
    RETURNS (Tensor): (n_items, width).
    """
    rows = parts[0].new_empty(sum(map(len, parts)), parts[0].size(1))
    for part, share in zip(parts, shares, strict=True):
        rows[share] = part.detach()
    return rows


class Dropout:
    """Dropout with a separate random generator: the order of numbers of the process's generator depends on
    threads.

    share (float): The share of numbers that are set to zero.
    seed (int): The seed, which alone determines these numbers.
    """

    def __init__(self, share: float, seed: int):
        self._share = share
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, x: Tensor) -> Tensor:
        if not self._share:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self._share, generator=self._generator)
        return x * kept.div_(1 - self._share)
