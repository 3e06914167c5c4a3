"""The first half of an LSTM step in one kernel: matrix product, gates, clipped cell."""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

import triton
import triton.language as tl

from .cell import next_cell, old_cells


@triton.jit
def open_gates(
    product,
    bias_ptr,
    input_gates_ptr,
    cell_ptr,
    first_ptr,
    opened_ptr,
    starts_ptr,
    step,
    direction,
    block,
    rows,
    live,
    n_rows,
    first_stride,
    bound,
    N_CELLS: tl.constexpr,  # noqa: N803
    BLOCK_STEPS: tl.constexpr,  # noqa: N803
    FAST: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    CELLS: tl.constexpr,  # noqa: N803
):
    """Compute the cells of a tile.

    product (block): The weights' share of the gates, (ROWS, 4 * CELLS), interleaved.
    step (int): The number of the step.
    direction (int): 0 for forward, 1 for backward.
    block (int): The number of the tile of cells.
    rows (block): The numbers of the tile's rows.
    live (block): Whether there is a token, of each row.

    The other arguments are those of `gates_kernel`.
    """
    columns = block * 4 * CELLS + tl.arange(0, 4 * CELLS)
    if BLOCK_STEPS > 0:
        row = direction * BLOCK_STEPS * n_rows + (step % BLOCK_STEPS) * n_rows + rows
        more = input_gates_ptr + row.to(tl.int64)[:, None] * (4 * N_CELLS) + columns[None, :]
        product += tl.load(more, mask=live[:, None], other=0.0).to(tl.float32)
    else:
        product += tl.load(bias_ptr + direction * 4 * N_CELLS + columns)[None, :]
    # Columns are (CELLS / 8, 4 gates, 8 cells); the last two axes tell the gates apart: i f over g o.
    split = product.reshape(ROWS, CELLS // 8, 2, 2, 8).permute(0, 1, 4, 2, 3).reshape(ROWS, CELLS, 2, 2)
    i_and_g, f_and_o = split.split()
    i, g = i_and_g.split()
    f, o = f_and_o.split()
    cells = block * CELLS + tl.arange(0, CELLS)
    at = (direction * n_rows + rows)[:, None] * N_CELLS + cells[None, :]
    first_at = direction * (first_stride * (n_rows - 1) + N_CELLS) + rows[:, None] * first_stride + cells[None, :]
    starts = tl.load(starts_ptr + step * n_rows + rows, mask=live, other=0)
    old = old_cells(cell_ptr, first_ptr, at, first_at, starts, live)
    cell, opened = next_cell(i, f, g, o, old, bound, FAST)
    tl.store(cell_ptr + at, cell, mask=live[:, None])
    tl.store(opened_ptr + at, opened.to(opened_ptr.dtype.element_ty), mask=live[:, None])


@triton.jit(do_not_specialize=["offset"])
def gates_kernel(
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
    PRECISION: tl.constexpr,  # noqa: N803
    FAST: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    CELLS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
    BAND: tl.constexpr,  # noqa: N803
):
    """Compute the gates and cells of both directions in one step. Grid: (n_rows / ROWS * (C / CELLS), 2).

    rows_ptr (pointer): (2, n_rows, WIDTH), inputs and state side by side, or the state alone.
    weight_ptr (pointer): (2, 4C, WEIGHT_WIDTH), of which the last WIDTH columns count; gates interleaved, see
        `open_gates`.
    bias_ptr (pointer): (2, 4C), if BLOCK_STEPS is 0.
    input_gates_ptr (pointer): (2, BLOCK_STEPS * n_rows, 4C), of BLOCK_STEPS steps, bias included; if it is not 0.
    cell_ptr (pointer): (2, n_rows, C), float32; updated in place.
    first_ptr (pointer): (2, 1 or n_rows, C), the initial cells.
    opened_ptr (pointer): (2, n_rows, C), receives sig(o) * tanh(cell).
    starts_ptr (pointer): (n_steps + 1, n_rows), whether a sentence starts.
    running_ptr (pointer): (n_steps + 1,), how many rows have a token.
    step_ptr (pointer): The number of the step, to which `offset` is added.
    offset (int): Added to the number of the step.
    n_rows (int): A multiple of ROWS.
    first_stride (int): From row to row of `first_ptr`: 0 or C.
    bound (float): The bound of the cells.
    N_CELLS (int): C.
    WIDTH (int): Columns of a row.
    WEIGHT_WIDTH (int): Columns of the weight.
    BLOCK_STEPS (int): Steps in `input_gates_ptr`; 0: the bias is added instead.
    PRECISION (str): Of float32 products, as Triton's `dot` names it.
    FAST (bool): See `cell.next_cell`.
    ROWS (int): Rows of a tile.
    CELLS (int): Cells of a tile.
    DEPTH (int): Columns that are multiplied at a time.
    BAND (int): Tiles of rows that share weights while these are in the cache.
    """
    direction = tl.program_id(1)
    step = tl.load(step_ptr) + offset
    n_running = tl.load(running_ptr + step)
    n_tiles = n_rows // ROWS
    n_blocks: tl.constexpr = N_CELLS // CELLS
    band = tl.program_id(0) // (BAND * n_blocks)
    inside = tl.program_id(0) % (BAND * n_blocks)
    n_of_band = tl.minimum(n_tiles - band * BAND, BAND)
    first_row = (band * BAND + inside % n_of_band) * ROWS
    block = inside // n_of_band
    if first_row < n_running:
        rows = first_row + tl.arange(0, ROWS)
        depth = tl.arange(0, DEPTH)
        columns = block * 4 * CELLS + tl.arange(0, 4 * CELLS)
        row_at = rows_ptr + (direction * n_rows + rows)[:, None] * WIDTH + depth[None, :]
        weights = weight_ptr + direction * (4 * N_CELLS * WEIGHT_WIDTH) + (WEIGHT_WIDTH - WIDTH)
        weight_at = weights + columns[None, :] * WEIGHT_WIDTH + depth[:, None]
        product = tl.zeros((ROWS, 4 * CELLS), tl.float32)
        for _ in range(0, WIDTH, DEPTH):
            product = tl.dot(tl.load(row_at), tl.load(weight_at), product, input_precision=PRECISION)
            row_at += DEPTH
            weight_at += DEPTH
        open_gates(
            product, bias_ptr, input_gates_ptr, cell_ptr, first_ptr, opened_ptr, starts_ptr, step, direction,
            block, rows, rows < n_running, n_rows, first_stride, bound, N_CELLS, BLOCK_STEPS, FAST, ROWS, CELLS,
        )  # fmt: skip
