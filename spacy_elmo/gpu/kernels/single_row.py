"""An LSTM step for very few rows: no tensor cores, every weight is read once for each row."""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

import triton
import triton.language as tl

from .cell import clip
from .gates import open_gates
from .project import deliver


@triton.jit
def products(vector_ptr, weight_at, LENGTH: tl.constexpr, N: tl.constexpr, DEPTH: tl.constexpr):  # noqa: N803
    """Multiply a vector by N rows of weights.

    vector_ptr (pointer): (LENGTH,).
    weight_at (block): Where the first DEPTH numbers of each row are.
    LENGTH (int): The length of the vector.
    N (int): Rows of weights.
    DEPTH (int): Numbers that are multiplied at a time.
    RETURNS (block): (1, N), float32.
    """
    depth = tl.arange(0, DEPTH)
    sums = tl.zeros((N, DEPTH), tl.float32)
    for start in range(0, LENGTH, DEPTH):
        vector = tl.load(vector_ptr + start + depth).to(tl.float32)
        sums += tl.load(weight_at + start).to(tl.float32) * vector[None, :]
    return tl.sum(sums, axis=1)[None, :]


@triton.jit(do_not_specialize=["offset"])
def single_gates_kernel(
    rows_ptr,
    weight_ptr,
    bias_ptr,
    input_gates_ptr,
    cell_ptr,
    first_ptr,
    opened_ptr,
    starts_ptr,
    running_ptr,
    step_ptr,
    offset,
    n_rows,
    first_stride,
    bound,
    N_CELLS: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    WEIGHT_WIDTH: tl.constexpr,  # noqa: N803
    BLOCK_STEPS: tl.constexpr,  # noqa: N803
    FAST: tl.constexpr,  # noqa: N803
    CELLS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
):
    """Compute the gates and cells of each row by itself. Grid: (C / CELLS, 2, n_rows).

    The arguments are those of `gates.gates_kernel`; `n_rows` is any number.
    """
    direction = tl.program_id(1)
    row = tl.program_id(2)
    step = tl.load(step_ptr) + offset
    if row < tl.load(running_ptr + step):
        block = tl.program_id(0)
        columns = block * 4 * CELLS + tl.arange(0, 4 * CELLS)
        depth = tl.arange(0, DEPTH)
        weights = weight_ptr + direction * (4 * N_CELLS * WEIGHT_WIDTH) + (WEIGHT_WIDTH - WIDTH)
        weight_at = weights + columns[:, None] * WEIGHT_WIDTH + depth[None, :]
        product = products(rows_ptr + (direction * n_rows + row) * WIDTH, weight_at, WIDTH, 4 * CELLS, DEPTH)
        rows = row + tl.arange(0, 1)
        open_gates(
            product, bias_ptr, input_gates_ptr, cell_ptr, first_ptr, opened_ptr, starts_ptr, step, direction,
            block, rows, rows < n_rows, n_rows, first_stride, bound, N_CELLS, BLOCK_STEPS, FAST, 1, CELLS,
        )  # fmt: skip


@triton.jit(do_not_specialize=["offset"])
def single_project_kernel(
    opened_ptr,
    weight_ptr,
    outputs_ptr,
    below_ptr,
    rows_ptr,
    inputs_ptr,
    numbers_ptr,
    first_ptr,
    places_ptr,
    starts_ptr,
    running_ptr,
    step_ptr,
    offset,
    n_rows,
    first_stride,
    bound,
    N_HIDDEN: tl.constexpr,  # noqa: N803
    N_CELLS: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    RESIDUAL: tl.constexpr,  # noqa: N803
    HAS_INPUTS: tl.constexpr,  # noqa: N803
    BY_NUMBER: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
):
    """Project each row by itself. Grid: (P / COLUMNS, 2, n_rows).

    The arguments are those of `project.project_kernel`.
    """
    direction = tl.program_id(1)
    row = tl.program_id(2)
    step = tl.load(step_ptr) + offset
    if row < tl.load(running_ptr + step):
        columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
        depth = tl.arange(0, DEPTH)
        weight_at = weight_ptr + (direction * N_HIDDEN + columns)[:, None] * N_CELLS + depth[None, :]
        product = products(opened_ptr + (direction * n_rows + row) * N_CELLS, weight_at, N_CELLS, COLUMNS, DEPTH)
        rows = row + tl.arange(0, 1)
        deliver(
            clip(product, bound), outputs_ptr, below_ptr, rows_ptr, inputs_ptr, numbers_ptr, first_ptr, places_ptr,
            starts_ptr, step, direction, rows, columns, rows < n_rows, n_rows, first_stride,
            N_HIDDEN, WIDTH, RESIDUAL, HAS_INPUTS, BY_NUMBER,
        )  # fmt: skip
