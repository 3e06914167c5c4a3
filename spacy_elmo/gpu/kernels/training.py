"""Triton kernels of a training step, both directions of a layer in one launch: what lies between matrix products.

Imported only where Triton is there; `gpu.training_steps` is what others call. Rows are those of both directions,
one after the other. Numbers are computed in float32, whatever they are stored as.
"""

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False

import triton
import triton.language as tl

from .cell import clip, sigmoid, tanh

# Numbers of a program: 16 bytes a thread and load, and enough programs for every processor of a GPU.
BLOCK = 512


@triton.jit
def gates_forward(
    product, given, bias, cell, gates, new_cell, tanhs, opened,
    n_rows, n_cells, given_stride, gates_stride, opened_stride, bound, size: tl.constexpr,
):  # fmt: skip
    """Compute the gates and cells of a step. Grid: (rows of both directions, ceil(C / size)).

    product (pointer): The states' share of the gates' inputs, (2 * n_rows, 4C).
    given (pointer): The inputs' share, (n_rows, 4C) in each direction.
    bias (pointer): (2, 4C).
    cell (pointer): The cells before, (2 * n_rows, C).
    gates (pointer): Receives i, f, g, o after their activations, float32, (n_rows, 4C) in each direction.
    new_cell (pointer): Receives the clipped cells, (2 * n_rows, C).
    tanhs (pointer): Receives their tanh, (2 * n_rows, C).
    opened (pointer): Receives o * tanh(cell), (n_rows, C) in each direction.
    n_rows (int): Rows of a direction.
    n_cells (int): C.
    given_stride (int): From a direction of `given` to the next.
    gates_stride (int): From a direction of `gates` to the next.
    opened_stride (int): From a direction of `opened` to the next.
    bound (float): The bound of the cells.
    size (int): Numbers of a program.
    """
    row = tl.program_id(0)
    column = tl.program_id(1) * size + tl.arange(0, size)
    inside = column < n_cells
    direction = row // n_rows
    # A direction of all steps may have more numbers than 32 bits count.
    within = (row % n_rows).to(tl.int64)
    of_product = product + row.to(tl.int64) * 4 * n_cells + column
    of_given = given + direction.to(tl.int64) * given_stride + within * 4 * n_cells + column
    of_gates = gates + direction.to(tl.int64) * gates_stride + within * 4 * n_cells + column
    of_bias = bias + direction * 4 * n_cells + column
    of_cell = row.to(tl.int64) * n_cells + column
    i = tl.load(of_product, inside).to(tl.float32) + tl.load(of_given, inside).to(tl.float32)
    i = sigmoid(i + tl.load(of_bias, inside))
    f = tl.load(of_product + n_cells, inside).to(tl.float32) + tl.load(of_given + n_cells, inside).to(tl.float32)
    f = sigmoid(f + tl.load(of_bias + n_cells, inside))
    g = tl.load(of_product + 2 * n_cells, inside).to(tl.float32)
    g = g + tl.load(of_given + 2 * n_cells, inside).to(tl.float32)
    g = tanh(g + tl.load(of_bias + 2 * n_cells, inside))
    o = tl.load(of_product + 3 * n_cells, inside).to(tl.float32)
    o = o + tl.load(of_given + 3 * n_cells, inside).to(tl.float32)
    o = sigmoid(o + tl.load(of_bias + 3 * n_cells, inside))
    c = clip(f * tl.load(cell + of_cell, inside) + i * g, bound)
    t = tanh(c)
    tl.store(of_gates, i, inside)
    tl.store(of_gates + n_cells, f, inside)
    tl.store(of_gates + 2 * n_cells, g, inside)
    tl.store(of_gates + 3 * n_cells, o, inside)
    tl.store(new_cell + of_cell, c, inside)
    tl.store(tanhs + of_cell, t, inside)
    of_opened = opened + direction.to(tl.int64) * opened_stride + within * n_cells + column
    tl.store(of_opened, (o * t).to(opened.dtype.element_ty), inside)


@triton.jit
def gates_backward(
    d_opened, gates, cell, new_cell, tanhs, d_cell, d_gates,
    n_rows, n_cells, d_opened_stride, gates_stride, d_gates_stride, bound, size: tl.constexpr,
):  # fmt: skip
    """Compute the gradients of a step's gates and cells. Grid: as `gates_forward`.

    d_opened (pointer): Gradient of `opened`, (n_rows, C) in each direction.
    gates (pointer): As `gates_forward` has left them.
    cell (pointer): As in `gates_forward`.
    new_cell (pointer): As `gates_forward` has left them.
    tanhs (pointer): As `gates_forward` has left them.
    d_cell (pointer): Gradient of the new cells, (2 * n_rows, C); receives that of the cells before.
    d_gates (pointer): Receives the gradient before the activations, (n_rows, 4C) in each direction.
    n_rows (int): Rows of a direction.
    n_cells (int): C.
    d_opened_stride (int): From a direction of `d_opened` to the next.
    gates_stride (int): From a direction of `gates` to the next.
    d_gates_stride (int): From a direction of `d_gates` to the next.
    bound (float): The bound of the cells.
    size (int): Numbers of a program.
    """
    row = tl.program_id(0)
    column = tl.program_id(1) * size + tl.arange(0, size)
    inside = column < n_cells
    direction = row // n_rows
    within = (row % n_rows).to(tl.int64)
    of_gates = gates + direction.to(tl.int64) * gates_stride + within * 4 * n_cells + column
    of_cell = row.to(tl.int64) * n_cells + column
    of_d_opened = d_opened + direction.to(tl.int64) * d_opened_stride + within * n_cells + column
    d_h = tl.load(of_d_opened, inside).to(tl.float32)
    i = tl.load(of_gates, inside)
    f = tl.load(of_gates + n_cells, inside)
    g = tl.load(of_gates + 2 * n_cells, inside)
    o = tl.load(of_gates + 3 * n_cells, inside)
    t = tl.load(tanhs + of_cell, inside)
    d_c = tl.load(d_cell + of_cell, inside) + d_h * o * (1.0 - t * t)
    # A clipped number is its bound.
    d_c = tl.where(tl.abs(tl.load(new_cell + of_cell, inside)) >= bound, 0.0, d_c)
    d_i = d_c * g * (i * (1.0 - i))
    d_f = d_c * tl.load(cell + of_cell, inside) * (f * (1.0 - f))
    d_g = d_c * i * (1.0 - g * g)
    d_o = d_h * t * (o * (1.0 - o))
    tl.store(d_cell + of_cell, d_c * f, inside)
    of_d_gates = d_gates + direction.to(tl.int64) * d_gates_stride + within * 4 * n_cells + column
    kind = d_gates.dtype.element_ty
    tl.store(of_d_gates, d_i.to(kind), inside)
    tl.store(of_d_gates + n_cells, d_f.to(kind), inside)
    tl.store(of_d_gates + 2 * n_cells, d_g.to(kind), inside)
    tl.store(of_d_gates + 3 * n_cells, d_o.to(kind), inside)


@triton.jit
def hidden_forward(
    projected, output, state, n_rows, width, projected_stride, state_stride, state_row, bound, size: tl.constexpr
):
    """Clip projections, and write them to the outputs and to what the next step reads.

    Grid: (rows of both directions, ceil(width / size)).

    projected (pointer): (n_rows, width) in each direction.
    output (pointer): Receives float32, (2 * n_rows, width).
    state (pointer): Receives the same for the next step, (n_rows, width) in each direction.
    n_rows (int): Rows of a direction.
    width (int): P.
    projected_stride (int): From a direction of `projected` to the next.
    state_stride (int): From a direction of `state` to the next.
    state_row (int): From a row of `state` to the next.
    bound (float): The bound of the projection.
    size (int): Numbers of a program.
    """
    row = tl.program_id(0)
    column = tl.program_id(1) * size + tl.arange(0, size)
    inside = column < width
    direction = (row // n_rows).to(tl.int64)
    within = (row % n_rows).to(tl.int64)
    h = tl.load(projected + direction * projected_stride + within * width + column, inside).to(tl.float32)
    h = clip(h, bound)
    tl.store(output + row.to(tl.int64) * width + column, h, inside)
    of_state = state + direction * state_stride + within * state_row + column
    tl.store(of_state, h.to(state.dtype.element_ty), inside)


@triton.jit
def hidden_backward(
    d_output, d_state, output, d_projected, n_rows, width, d_projected_stride, bound, size: tl.constexpr
):
    """Compute the gradient of projections before the clip. Grid: as `hidden_forward`.

    d_output (pointer): Gradient of the outputs, (2 * n_rows, width).
    d_state (pointer): Gradient of what the next step read, (2 * n_rows, width).
    output (pointer): As `hidden_forward` has left it.
    d_projected (pointer): Receives the gradient, (n_rows, width) in each direction.
    n_rows (int): Rows of a direction.
    width (int): P.
    d_projected_stride (int): From a direction of `d_projected` to the next.
    bound (float): The bound of the projection.
    size (int): Numbers of a program.
    """
    row = tl.program_id(0)
    column = tl.program_id(1) * size + tl.arange(0, size)
    inside = column < width
    place = row.to(tl.int64) * width + column
    d_h = tl.load(d_output + place, inside) + tl.load(d_state + place, inside).to(tl.float32)
    d_h = tl.where(tl.abs(tl.load(output + place, inside)) >= bound, 0.0, d_h)
    direction = (row // n_rows).to(tl.int64)
    of_d_projected = d_projected + direction * d_projected_stride + (row % n_rows).to(tl.int64) * width + column
    tl.store(of_d_projected, d_h.to(d_projected.dtype.element_ty), inside)
