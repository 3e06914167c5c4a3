"""Rows of many Docs, copied to memory of their own."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from thinc.api import CupyOps, Ops, get_array_module, torch2xp, xp2torch
from torch import Tensor

# Each Doc's numbers are copied by so many blocks of so many threads.
BLOCKS, THREADS = 16, 256
# A copy by itself for every Doc takes longer, to launch, than the copying does: one launch is for all of them.
_KERNEL = r"""
extern "C" __global__
void own_rows(const float* rows, const long long* owners, const long long* starts) {
    float* own = (float*) owners[blockIdx.x];
    const long long start = starts[blockIdx.x];
    const long long size = starts[blockIdx.x + 1] - start;
    const long long stride = (long long) gridDim.y * blockDim.x;
    for (long long i = (long long) blockIdx.y * blockDim.x + threadIdx.x; i < size; i += stride) {
        own[i] = rows[start + i];
    }
}
"""


def copy_rows(rows: Any, lengths: Sequence[int]) -> list[Any]:
    """rows: (n_tokens, width), float32, numpy or CuPy, C-contiguous. lengths: of consecutive parts, all of it.

    RETURNS: (length, width) of each part, a copy.
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    if get_array_module(rows) is np:
        return [rows[start:end].copy() for start, end in zip(starts.tolist(), ends.tolist())]
    import cupy

    width = rows.shape[1]
    owned = [cupy.empty((length, width), dtype=cupy.float32) for length in lengths]
    if owned and rows.size:
        # What the kernel reads comes over in one piece.
        pointers = np.asarray([array.data.ptr for array in owned], dtype=np.int64)
        table = cupy.asarray(np.concatenate([pointers, starts * width]))
        _kernel()((len(owned), BLOCKS), (THREADS,), (rows, table[: len(owned)], table[len(owned) :]))
    return owned


@cache
def _kernel() -> Any:
    import cupy

    return cupy.RawKernel(_KERNEL, "own_rows")


def stays_on_device(ops: Ops, device: torch.device) -> bool:
    """Whether what torch computes on the device becomes arrays of these Ops without passing the CPU."""
    return isinstance(ops, CupyOps) and device.type == "cuda"


def to_array(tensor: Tensor, ops: Ops) -> Any:
    """The tensor as a float32 array of the Ops, over the same memory where that is possible."""
    tensor = tensor.detach().float()
    if isinstance(ops, CupyOps):
        # Where Thinc computes: the model may be on another GPU, or on the CPU.
        return torch2xp(tensor.to(torch.device("cuda", torch.cuda.current_device())).contiguous(), ops=ops)
    return tensor.cpu().numpy()


def to_tensor(array: Any, like: Tensor) -> Tensor:
    """The array as a tensor of the same kind and on the same device as another one."""
    return xp2torch(array, device=like.device).to(like.dtype)


def move_like(array: Any, like: Any) -> Any:
    """The array on the CPU or on the GPU, as another one is."""
    if get_array_module(like) is np:
        return to_numpy(array)
    return get_array_module(like).asarray(array)


def to_numpy(array: Any) -> Any:
    """The array on the CPU."""
    return array.get() if hasattr(array, "get") else array


def split_docs(tensor: Tensor, lengths: Sequence[int], ops: Ops) -> list[Any]:
    """Rows of each Doc as an array of the Ops that owns its memory: who keeps a Doc keeps no other's rows.

    tensor: (n_tokens, width), Doc after Doc. lengths: tokens of each Doc.
    """
    return copy_rows(to_array(tensor, ops), lengths)
