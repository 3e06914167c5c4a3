"""What lies between the matrix products of a training step on a GPU: a launch for each place, both directions.

Tensors of one step are (2, n_rows, n); those that are cut from all steps of a direction have a stride of their own
from one direction to the next, and are contiguous within.
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
    """From the gates' inputs product + given + bias, and the cell: gates, cell, its tanh and sig(o) * tanh.

    product, given, gates: (2, n_rows, 4C). bias: (2, 4C). The others: (2, n_rows, C). All but product, given and
    opened are float32. clip: bound of the cell.
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
    """The gradient of the gates' inputs, (2, n_rows, 4C); that of the cell is changed in place, from the one after
    the step to the one before it. d_opened: (2, n_rows, C)."""
    kernels = _kernels()
    _, n_rows, n_cells = cell.shape
    kernels.gates_backward[_grid(n_rows, n_cells)](
        d_opened, gates, cell, new_cell, tanh, d_cell, d_gates,
        n_rows, n_cells, d_opened.stride(0), gates.stride(0), d_gates.stride(0), _bound(clip), size=kernels.BLOCK,
    )  # fmt: skip


def hidden_forward(projected: Tensor, *, output: Tensor, state: Tensor, clip: float | None) -> None:
    """Clip the projection, (2, n_rows, P), and write it to the outputs and to what the next step reads.

    state: (2, n_rows, P), of any strides but the last, which is 1.
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
    """The gradient of the projection before its clip, of those of the outputs and of what the next step read; all
    (2, n_rows, P)."""
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
