"""Dropout in threads that work side by side."""

import torch
from torch import Tensor


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
