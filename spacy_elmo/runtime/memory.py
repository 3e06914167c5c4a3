"""Reuse of memory: buffers of torch, and freed memory in the C library."""

import ctypes
import math
import sys

import torch
from torch import Tensor

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


class Workspace:
    """Large named buffers that every batch reuses: to allocate memory takes longer than to fill it.

    A buffer grows if need be; smaller tensors use a part of it.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Get a contiguous tensor of undefined content, over the memory of the last call with this name.

        name (str): The name of the buffer.
        shape (int): The shape of the tensor.
        dtype (torch.dtype): Its dtype.
        device (torch.device): Its device.
        RETURNS (Tensor): The tensor.
        """
        size = math.prod(shape)
        found = self._buffers.get(name)
        if found is None or found.numel() < size or (found.dtype, found.device) != (dtype, device):
            found = self._buffers[name] = torch.empty(size, dtype=dtype, device=device)
        return found[:size].view(shape)


def keep_freed_memory() -> None:
    """Keep freed memory in the process. Training allocates the same sizes in every batch, and on some machines the
    first access to a new page takes longer than to compute what is written there.

    Does nothing if the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_M_TOP_PAD, 256 << 20)
