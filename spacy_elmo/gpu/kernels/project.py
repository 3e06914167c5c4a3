"""The second half of an LSTM step: projection, clip, and the rows that the next step reads."""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

import triton
import triton.language as tl

from .cell import clip


@triton.jit
def deliver(
    hidden,
    outputs_ptr,
    below_ptr,
    rows_ptr,
    inputs_ptr,
    numbers_ptr,
    first_ptr,
    places_ptr,
    starts_ptr,
    step,
    direction,
    rows,
    columns,
    live,
    n_rows,
    first_stride,
    N_HIDDEN: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    RESIDUAL: tl.constexpr,  # noqa: N803
    HAS_INPUTS: tl.constexpr,  # noqa: N803
    BY_NUMBER: tl.constexpr,  # noqa: N803
):
    """Write a tile of hidden states to where users and the next step look for it.

    hidden (block): (rows, columns), the hidden states, clipped if there is a projection.
    outputs_ptr (pointer): (n_tokens, 2P), flat.
    below_ptr (pointer): (n_tokens, 2P); with RESIDUAL, what stands at the same place is added to the outputs.
    rows_ptr (pointer): (2, n_rows, WIDTH), receives what the next step multiplies: its inputs (with HAS_INPUTS)
        and the state, or the first state where a sentence starts.
    inputs_ptr (pointer): The layer below, (n_tokens, 2P), or with BY_NUMBER the word types, (n_types, P).
    numbers_ptr (pointer): (n_tokens,), with BY_NUMBER, the word type of each token.
    first_ptr (pointer): (2, 1 or n_rows, P), the initial states.
    places_ptr (pointer): (n_steps + 1, 2, n_rows), where in the flat batch a row is at a step.
    starts_ptr (pointer): (n_steps + 1, n_rows), whether a sentence starts.
    step (int): The number of the step.
    direction (int): 0 for forward, 1 for backward.
    rows (block): The numbers of the tile's rows.
    columns (block): The numbers of its columns.
    live (block): Whether there is a token, of each row.
    n_rows (int): Rows of a direction.
    first_stride (int): From row to row of `first_ptr`: 0 or P.
    N_HIDDEN (int): P.
    WIDTH (int): Columns of a row of `rows_ptr`.
    RESIDUAL (bool): Whether the layer has a skip connection.
    HAS_INPUTS (bool): Whether the next step multiplies its inputs along with the state.
    BY_NUMBER (bool): Whether inputs are word types.
    """
    mask = live[:, None]
    place = tl.load(places_ptr + (step * 2 + direction) * n_rows + rows, mask=live, other=0).to(tl.int64)
    at = place[:, None] * (2 * N_HIDDEN) + direction * N_HIDDEN + columns[None, :]
    shown = hidden
    if RESIDUAL:
        shown += tl.load(below_ptr + at, mask=mask, other=0.0)
    tl.store(outputs_ptr + at, shown, mask=mask)
    starts = tl.load(starts_ptr + (step + 1) * n_rows + rows, mask=live, other=0)
    first_at = (
        direction * (first_stride * (n_rows - 1) + N_HIDDEN) + rows[:, None] * first_stride + columns[None, :]
    )
    first = tl.load(first_ptr + first_at, mask=(live & (starts != 0))[:, None], other=0.0)
    state = tl.where((starts != 0)[:, None], first, hidden)
    to = rows_ptr + (direction * n_rows + rows)[:, None] * WIDTH + columns[None, :]
    tl.store(to + (WIDTH - N_HIDDEN), state.to(rows_ptr.dtype.element_ty), mask=mask)
    if HAS_INPUTS:
        place = tl.load(places_ptr + (step * 2 + 2 + direction) * n_rows + rows, mask=live, other=0).to(tl.int64)
        if BY_NUMBER:
            number = tl.load(numbers_ptr + place, mask=live, other=0).to(tl.int64)
            inputs = tl.load(inputs_ptr + number[:, None] * N_HIDDEN + columns[None, :], mask=mask, other=0.0)
        else:
            at = place[:, None] * (2 * N_HIDDEN) + direction * N_HIDDEN + columns[None, :]
            inputs = tl.load(inputs_ptr + at, mask=mask, other=0.0)
        tl.store(to, inputs.to(rows_ptr.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["offset"])
def project_kernel(
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
    PRECISION: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
):
    """Project both directions of one step. Grid: (n_rows / ROWS * (P / COLUMNS), 2).

    opened_ptr (pointer): (2, n_rows, C), as from `gates.gates_kernel`.
    weight_ptr (pointer): (2, P, C).
    running_ptr (pointer): (n_steps + 1,), how many rows have a token.
    step_ptr (pointer): The number of the step, to which `offset` is added.
    offset (int): Added to the number of the step.
    bound (float): The bound of the projection.
    N_CELLS (int): C.
    PRECISION (str): Of float32 products, as Triton's `dot` names it.
    ROWS (int): Rows of a tile.
    COLUMNS (int): Columns of a tile.
    DEPTH (int): Cells that are multiplied at a time.

    The other arguments are those of `deliver`.
    """
    direction = tl.program_id(1)
    step = tl.load(step_ptr) + offset
    n_running = tl.load(running_ptr + step)
    n_tiles = n_rows // ROWS
    first_row = (tl.program_id(0) % n_tiles) * ROWS
    if first_row < n_running:
        rows = first_row + tl.arange(0, ROWS)
        columns = (tl.program_id(0) // n_tiles) * COLUMNS + tl.arange(0, COLUMNS)
        depth = tl.arange(0, DEPTH)
        opened_at = opened_ptr + (direction * n_rows + rows)[:, None] * N_CELLS + depth[None, :]
        weight_at = weight_ptr + (direction * N_HIDDEN + columns)[None, :] * N_CELLS + depth[:, None]
        product = tl.zeros((ROWS, COLUMNS), tl.float32)
        for _ in range(0, N_CELLS, DEPTH):
            product = tl.dot(tl.load(opened_at), tl.load(weight_at), product, input_precision=PRECISION)
            opened_at += DEPTH
            weight_at += DEPTH
        deliver(
            clip(product, bound), outputs_ptr, below_ptr, rows_ptr, inputs_ptr, numbers_ptr, first_ptr, places_ptr,
            starts_ptr, step, direction, rows, columns, rows < n_running, n_rows, first_stride,
            N_HIDDEN, WIDTH, RESIDUAL, HAS_INPUTS, BY_NUMBER,
        )  # fmt: skip


@triton.jit(do_not_specialize=["offset"])
def deliver_kernel(
    hidden_ptr,
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
    N_HIDDEN: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    RESIDUAL: tl.constexpr,  # noqa: N803
    HAS_INPUTS: tl.constexpr,  # noqa: N803
    BY_NUMBER: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
):
    """Deliver without a product, for models that have no projection.

    Grid: (ceil(n_rows / ROWS) * (P / COLUMNS), 2).

    hidden_ptr (pointer): (2, n_rows, P).

    The other arguments are those of `project_kernel`.
    """
    direction = tl.program_id(1)
    step = tl.load(step_ptr) + offset
    n_running = tl.load(running_ptr + step)
    n_blocks: tl.constexpr = N_HIDDEN // COLUMNS
    first_row = (tl.program_id(0) // n_blocks) * ROWS
    if first_row < n_running:
        rows = first_row + tl.arange(0, ROWS)
        columns = (tl.program_id(0) % n_blocks) * COLUMNS + tl.arange(0, COLUMNS)
        live = rows < n_running
        at = (direction * n_rows + rows)[:, None] * N_HIDDEN + columns[None, :]
        hidden = tl.load(hidden_ptr + at, mask=live[:, None], other=0.0).to(tl.float32)
        deliver(
            hidden, outputs_ptr, below_ptr, rows_ptr, inputs_ptr, numbers_ptr, first_ptr, places_ptr,
            starts_ptr, step, direction, rows, columns, live, n_rows, first_stride,
            N_HIDDEN, WIDTH, RESIDUAL, HAS_INPUTS, BY_NUMBER,
        )  # fmt: skip
