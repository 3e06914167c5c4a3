"""The operations between the matrix products of a training step on a GPU: one launch each, for both directions.

Tensors of one step are (2, n_rows, n). Those that are slices of all steps of a direction have another stride
from one direction to the next, and are contiguous within a direction.
"""

import math
from functools import lru_cache
from types import ModuleType

from torch import Tensor


@lru_cache(maxsize=1)
def _kernels() -> ModuleType:
    from .kernels import training

    return training


def gates_forward(
    product: Tensor,
    given: Tensor,
    bias: Tensor,
    cell: Tensor,
    *,
    gates: Tensor,
    new_cell: Tensor,
    tanh: Tensor,
    opened: Tensor,
    clip: float | None,
) -> None:
    """Compute the gates from their inputs product + given + bias, the new cell, its tanh, and sig(o) * tanh.

    All tensors but product, given and opened are float32.

    product (Tensor): (2, n_rows, 4C).
    given (Tensor): (2, n_rows, 4C).
    bias (Tensor): (2, 4C).
    cell (Tensor): (2, n_rows, C).
    gates (Tensor): Takes the gates, (2, n_rows, 4C).
    new_cell (Tensor): Takes the new cell, (2, n_rows, C).
    tanh (Tensor): Takes its tanh, (2, n_rows, C).
    opened (Tensor): Takes sig(o) * tanh, (2, n_rows, C).
    clip (float | None): Bound of the cell; None: no bound.
    """
    kernels = _kernels()
    _, n_rows, n_cells = cell.shape
    kernels.gates_forward[_grid(n_rows, n_cells)](
        product, given, bias, cell, gates, new_cell, tanh, opened,
        n_rows, n_cells, given.stride(0), gates.stride(0), opened.stride(0), _bound(clip), size=kernels.BLOCK,
    )  # fmt: skip


def gates_backward(
    d_opened: Tensor,
    gates: Tensor,
    cell: Tensor,
    new_cell: Tensor,
    tanh: Tensor,
    *,
    d_cell: Tensor,
    d_gates: Tensor,
    clip: float | None,
) -> None:
    """Compute the gradient of the gates' inputs.

    d_opened (Tensor): The gradient of `opened`, (2, n_rows, C).
    gates (Tensor): See `gates_forward`.
    cell (Tensor): See `gates_forward`.
    new_cell (Tensor): See `gates_forward`.
    tanh (Tensor): See `gates_forward`.
    d_cell (Tensor): The gradient of the cell after the step; changed in place to that of the cell before it.
    d_gates (Tensor): Takes the gradient, (2, n_rows, 4C).
    clip (float | None): See `gates_forward`.
    """
    kernels = _kernels()
    _, n_rows, n_cells = cell.shape
    kernels.gates_backward[_grid(n_rows, n_cells)](
        d_opened, gates, cell, new_cell, tanh, d_cell, d_gates,
        n_rows, n_cells, d_opened.stride(0), gates.stride(0), d_gates.stride(0), _bound(clip), size=kernels.BLOCK,
    )  # fmt: skip


def hidden_forward(projected: Tensor, *, output: Tensor, state: Tensor, clip: float | None) -> None:
    """Clip the projection, and write it to the outputs and to the state for the next step.

    projected (Tensor): The projection, (2, n_rows, P).
    output (Tensor): Takes it, (2, n_rows, P).
    state (Tensor): Takes it, (2, n_rows, P), with any strides but the last, which is 1.
    clip (float | None): Bound of the projection; None: no bound.
    """
    kernels = _kernels()
    _, n_rows, width = output.shape
    kernels.hidden_forward[_grid(n_rows, width)](
        projected, output, state, n_rows, width, projected.stride(0), state.stride(0), state.stride(1),
        _bound(clip), size=kernels.BLOCK,
    )  # fmt: skip


def hidden_backward(
    d_output: Tensor, d_state: Tensor, output: Tensor, *, d_projected: Tensor, clip: float | None
) -> None:
    """Compute the gradient of the projection before its clip. All tensors are (2, n_rows, P).

    d_output (Tensor): The gradient of the outputs.
    d_state (Tensor): The gradient of the state for the next step.
    output (Tensor): See `hidden_forward`.
    d_projected (Tensor): Takes the gradient.
    clip (float | None): See `hidden_forward`.
    """
    kernels = _kernels()
    _, n_rows, width = output.shape
    kernels.hidden_backward[_grid(n_rows, width)](
        d_output, d_state, output, d_projected, n_rows, width, d_projected.stride(0), _bound(clip),
        size=kernels.BLOCK,
    )  # fmt: skip


def _grid(n_rows: int, width: int) -> "tuple[int, int]":
    return 2 * n_rows, -(-width // _kernels().BLOCK)


def _bound(clip: float | None) -> float:
    return math.inf if clip is None else float(clip)
