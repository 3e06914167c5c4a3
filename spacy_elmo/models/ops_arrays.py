"""Arrays of Thinc's Ops and tensors of torch: conversion, and copies of each Doc's rows."""

from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import TypeVar, cast

import numpy as np
import torch
from thinc.api import CupyOps, Ops, get_array_module, torch2xp, xp2torch
from thinc.types import ArrayXd, Floats2d
from torch import Tensor

# An array of numpy or CuPy, and the same kind of array that comes out.
ArrayT = TypeVar("ArrayT")

# Each Doc's numbers are copied by so many blocks of so many threads.
BLOCKS, THREADS = 16, 256
# One launch copies the rows of all Docs: to launch a copy for each takes longer than the copying does.
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


def copy_rows(rows: Floats2d, lengths: Sequence[int]) -> list[Floats2d]:
    """Split an array into consecutive parts, each in separate memory.

    rows (Floats2d): (n_tokens, width), float32, numpy or CuPy, C-contiguous.
    lengths (Sequence[int]): Rows of each part; their sum is n_tokens.
    RETURNS (list[Floats2d]): A copy of each part, (length, width).
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    if get_array_module(rows) is np:
        return [rows[start:end].copy() for start, end in zip(starts.tolist(), ends.tolist())]
    import cupy

    width = rows.shape[1]
    owned = [cupy.empty((length, width), dtype=cupy.float32) for length in lengths]
    if owned and rows.size:
        # One transfer for all that the kernel reads.
        pointers = np.asarray([array.data.ptr for array in owned], dtype=np.int64)
        table = cupy.asarray(np.concatenate([pointers, starts * width]))
        _kernel()((len(owned), BLOCKS), (THREADS,), (rows, table[: len(owned)], table[len(owned) :]))
    return owned


@cache
def _kernel() -> Callable[..., None]:
    import cupy

    return cast(Callable[..., None], cupy.RawKernel(_KERNEL, "own_rows"))


def stays_on_device(ops: Ops, device: torch.device) -> bool:
    """Check whether tensors of a device become arrays of the Ops without a copy to the CPU.

    ops (Ops): Thinc's Ops.
    device (torch.device): The device of the tensors.
    RETURNS (bool): Whether both are on a GPU.
    """
    return isinstance(ops, CupyOps) and device.type == "cuda"


def to_array(tensor: Tensor, ops: Ops) -> Floats2d:
    """Convert a tensor to a float32 array of the Ops, over the same memory where possible.

    tensor (Tensor): On any device.
    ops (Ops): Thinc's Ops.
    RETURNS (Floats2d): The array.
    """
    tensor = tensor.detach().float()
    if isinstance(ops, CupyOps):
        # Where Thinc computes: the model may be on another GPU, or on the CPU.
        tensor = tensor.to(torch.device("cuda", torch.cuda.current_device())).contiguous()
        return cast(Floats2d, torch2xp(tensor, ops=ops))
    return cast(Floats2d, tensor.cpu().numpy())


def to_tensor(array: ArrayXd, like: Tensor) -> Tensor:
    """Convert an array to a tensor.

    array (ArrayXd): Of numpy or CuPy.
    like (Tensor): Has the dtype and the device of the result.
    RETURNS (Tensor): The tensor.
    """
    return xp2torch(array, device=like.device).to(like.dtype)


def share_tensor(array: ArrayXd) -> Tensor:
    """Make a tensor over the memory of an array.

    array (ArrayXd): Of numpy or CuPy; one that is read-only is copied.
    RETURNS (Tensor): The tensor, of the same dtype, where the array is.
    """
    if not isinstance(array, np.ndarray):
        return torch.from_dlpack(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def share_array(tensor: Tensor, xp: ModuleType) -> ArrayXd:
    """Make an array over the memory of a tensor.

    tensor (Tensor): On the CPU or on the GPU.
    xp (ModuleType): numpy or cupy, which must be able to use that memory.
    RETURNS (ArrayXd): The array, of the same dtype.
    """
    return cast(ArrayXd, tensor.numpy() if xp is np else torch2xp(tensor))


def move_like(array: ArrayT, like: ArrayXd) -> ArrayT:
    """Move an array to the CPU or to the GPU.

    array (ArrayT): Of numpy or CuPy.
    like (ArrayXd): An array that is there.
    RETURNS (ArrayT): The array; the same object if it need not move.
    """
    if get_array_module(like) is np:
        return to_numpy(array)
    return cast(ArrayT, get_array_module(like).asarray(array))


def to_numpy(array: ArrayT) -> ArrayT:
    """Move an array to the CPU.

    array (ArrayT): Of numpy or CuPy.
    RETURNS (ArrayT): An array of numpy; the same object if it need not move.
    """
    return array.get() if hasattr(array, "get") else array


def split_docs(tensor: Tensor, lengths: Sequence[int], ops: Ops) -> list[Floats2d]:
    """Split a batch by Doc. Each array is in separate memory: to keep one Doc does not keep the rows of others.

    tensor (Tensor): (n_tokens, width), Doc after Doc.
    lengths (Sequence[int]): Tokens of each Doc.
    ops (Ops): Makes the arrays.
    RETURNS (list[Floats2d]): One for each Doc, (length, width).
    """
    return copy_rows(to_array(tensor, ops), lengths)
