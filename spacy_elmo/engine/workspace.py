"""Memory that is used again."""

import math

import torch
from torch import Tensor


class Workspace:
    """Large buffers that are used again in every batch: fresh memory costs more time than filling it.

    A buffer grows when it must, and smaller ones are cut from it.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """A contiguous tensor of unknown content, over the memory of the last call by this name."""
        size = math.prod(shape)
        found = self._buffers.get(name)
        if found is None or found.numel() < size or (found.dtype, found.device) != (dtype, device):
            found = self._buffers[name] = torch.empty(size, dtype=dtype, device=device)
        return found[:size].view(shape)
