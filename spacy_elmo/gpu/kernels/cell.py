"""The LSTM cell with its activations, as device functions of the kernels."""

import triton
import triton.language as tl

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False


@triton.jit
def sigmoid(x):
    # The exponential of what is negative: no overflow.
    e = tl.exp(-tl.abs(x))
    return tl.where(x < 0, e, 1.0) / (1.0 + e)


@triton.jit
def tanh(x):
    # Near zero 1 - e would lose what matters; there, the series.
    square = x * x
    series = x * (1.0 - square * (1.0 / 3 - square * (2.0 / 15 - square * (17.0 / 315))))
    e = tl.exp(-2.0 * tl.abs(x))
    far = (1.0 - e) / (1.0 + e)
    far = tl.where(x < 0, -far, far)
    return tl.where(square < 0.01, series, far)


@triton.jit
def fast_tanh(x):
    """Compute the processor's own approximation of tanh, within 2^-11 (PTX ISA, tanh.approx.f32).

    x (block): Float32 numbers.
    RETURNS (block): Their tanh.
    """
    return tl.inline_asm_elementwise(
        "tanh.approx.f32 $0, $1;", "=f,f", [x], dtype=tl.float32, is_pure=True, pack=1
    )


@triton.jit
def fast_sigmoid(x):
    return 0.5 * fast_tanh(0.5 * x) + 0.5


@triton.jit
def clip(x, bound):
    # Not minimum and maximum: what is no number must stay so, as it does in torch.clamp.
    x = tl.where(x > bound, bound, x)
    return tl.where(x < -bound, -bound, x)


@triton.jit
def next_cell(i, f, g, o, cell, bound, FAST: tl.constexpr):  # noqa: N803
    """Compute a step of the cell from gates before their activations.

    i (block): The input gate.
    f (block): The forget gate.
    g (block): The candidate.
    o (block): The output gate.
    cell (block): The cell before the step.
    bound (float): The bound of the cell.
    FAST (bool): Whether to use the processor's approximation of tanh.
    RETURNS (tuple[block, block]): The clipped cell, and sig(o) * tanh(cell).
    """
    if FAST:
        cell = clip(fast_sigmoid(f) * cell + fast_sigmoid(i) * fast_tanh(g), bound)
        return cell, fast_sigmoid(o) * fast_tanh(cell)
    cell = clip(sigmoid(f) * cell + sigmoid(i) * tanh(g), bound)
    return cell, sigmoid(o) * tanh(cell)


@triton.jit
def old_cells(cell_ptr, first_ptr, at, first_at, starts, live):
    """Load the cells before a step: in rows where a sentence starts, the initial ones.

    cell_ptr (pointer): (2, n_rows, C).
    first_ptr (pointer): (2, 1 or n_rows, C), the initial cells.
    at (block): Places in `cell_ptr`.
    first_at (block): Places in `first_ptr`.
    starts (block): Whether a sentence starts, of each row.
    live (block): Whether there is a token, of each row.
    RETURNS (block): The cells.
    """
    old = tl.load(cell_ptr + at, mask=(live & (starts == 0))[:, None], other=0.0)
    return old + tl.load(first_ptr + first_at, mask=(live & (starts != 0))[:, None], other=0.0)
