"""What happens between two matrix products of an LSTM step: gates open, the cell is clipped.

Gates stand interleaved, eight cells at a time: columns 32 b to 32 b + 31 are i of the cells 8 b to 8 b + 7, then
their f, g and o. A tile of the product so has all four gates of its cells, and on NVIDIA's tensor cores, whose
results spread every 8 columns over the same threads, each thread has all four gates of its own cells.
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

import triton
import triton.language as tl

from .activations import clip, fast_sigmoid, fast_tanh, sigmoid, tanh


@triton.jit
def next_cell(i, f, g, o, cell, bound, FAST: tl.constexpr):  # noqa: N803
    """RETURNS: the clipped cell, and sig(o) * tanh(cell)."""
    if FAST:
        cell = clip(fast_sigmoid(f) * cell + fast_sigmoid(i) * fast_tanh(g), bound)
        return cell, fast_sigmoid(o) * fast_tanh(cell)
    cell = clip(sigmoid(f) * cell + sigmoid(i) * tanh(g), bound)
    return cell, sigmoid(o) * tanh(cell)


@triton.jit
def old_cells(cell_ptr, first_ptr, at, first_at, starts, live):
    """Cells that a step goes on from: in rows where a sentence starts, the first ones.

    cell_ptr: (2, M, C); first_ptr: (2, 1 or M, C). at, first_at: places in these. starts, live: of each row.
    """
    old = tl.load(cell_ptr + at, mask=(live & (starts == 0))[:, None], other=0.0)
    return old + tl.load(first_ptr + first_at, mask=(live & (starts != 0))[:, None], other=0.0)
