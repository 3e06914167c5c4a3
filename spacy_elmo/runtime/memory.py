"""Memory that is used again: buffers of torch, and what the C library keeps."""

import ctypes
import math
import sys

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


# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def keep_freed_memory() -> None:
    """Let freed memory stay with the process: training asks for the same sizes in every batch, and on some
    machines the first touch of a fresh page costs more than the numbers that are written there.

    Does nothing where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_M_TOP_PAD, 256 << 20)
