"""Rows of many Docs, copied to memory of their own."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from thinc.api import get_array_module

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


def own_rows(rows: Any, lengths: Sequence[int]) -> list[Any]:
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
