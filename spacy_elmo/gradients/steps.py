"""The steps of a recurrence in training, forward and backward, as functions that run without Python's lock; see
`inference.cpu.steps`."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from ..inference.cpu.steps import compile_functions


class TrainingSteps(Protocol):
    """The functions below."""

    def run_forward(
        self,
        gates: Tensor,
        sizes: Sequence[int],
        hidden: Tensor,
        cells: Tensor,
        states: Tensor,
        projection: Tensor | None,
        cell_clip: float | None,
        proj_clip: float | None,
    ) -> None:
        """See `run_forward` below."""

    def run_backward(
        self,
        gates: Tensor,
        sizes: Sequence[int],
        hidden: Tensor,
        cells: Tensor,
        d_outputs: Tensor,
        states: Tensor,
        projection: Tensor | None,
        cell_clip: float | None,
        proj_clip: float | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `run_backward` below."""


@cache
def training_steps() -> TrainingSteps:
    """Compile the functions below.

    RETURNS (TrainingSteps): The compiled functions, or those of Python if they cannot be compiled.
    """
    steps: TrainingSteps = compile_functions(run_forward, run_backward, is_right=_gives_same)
    return steps


def _gives_same(unit: TrainingSteps, plain: TrainingSteps) -> bool:
    """Compare compiled functions with those of Python in a few steps with one output and one cell."""
    results = []
    with torch.no_grad():
        for functions in (unit, plain):
            gates, one, sizes = torch.linspace(0, 1, 12).view(3, 4), torch.ones(1, 1), [2, 1]
            hidden, cells = torch.ones(5, 1), torch.ones(5, 1)
            functions.run_forward(gates, sizes, hidden, cells, torch.ones(4, 1) / 2, one, 3.0, 3.0)
            outputs = functions.run_backward(
                gates, sizes, hidden, cells, torch.ones(3, 1), torch.ones(4, 1) / 2, one, 3.0, 3.0
            )
            results.append(torch.cat([hidden, cells, *(part.reshape(-1, 1) for part in outputs)]))
    return torch.equal(*results)


# TorchScript from here on.


def run_forward(
    gates: Tensor,
    sizes: list[int],
    hidden: Tensor,
    cells: Tensor,
    states: Tensor,
    projection: Tensor | None,
    cell_clip: float | None,
    proj_clip: float | None,
) -> None:
    """Run an LSTM layer's steps, each of which has as many rows as the one before, or fewer.

    gates (Tensor): The inputs' share of i, f, g, o: (n_rows, 4C); overwritten with the activated gates.
    sizes (list[int]): Rows of each step.
    hidden (Tensor): Begins with the initial states; the outputs are written after them: (n_sentences + n_rows, P).
    cells (Tensor): The same of the cells: (n_sentences + n_rows, C).
    states (Tensor): Weight of the states: (4C, P).
    projection (Tensor | None): Weight of the projection: (P, C); None: P is C.
    cell_clip (float | None): Bound of the cells.
    proj_clip (float | None): Bound of the projection.
    """
    n_cells = cells.size(1)
    before = 0
    first = sizes[0]
    for size in sizes:
        own = gates[first - sizes[0] : first - sizes[0] + size]
        own.addmm_(hidden[before : before + size], states.t())
        own[:, : 2 * n_cells].sigmoid_()
        own[:, 2 * n_cells : 3 * n_cells].tanh_()
        own[:, 3 * n_cells :].sigmoid_()
        cell = cells[first : first + size]
        torch.mul(own[:, n_cells : 2 * n_cells], cells[before : before + size], out=cell)
        cell.addcmul_(own[:, :n_cells], own[:, 2 * n_cells : 3 * n_cells])
        if cell_clip is not None:
            cell.clamp_(-cell_clip, cell_clip)
        gated = torch.tanh(cell).mul_(own[:, 3 * n_cells :])
        output = hidden[first : first + size]
        if projection is None:
            output.copy_(gated)
        else:
            torch.mm(gated, projection.t(), out=output)
            if proj_clip is not None:
                output.clamp_(-proj_clip, proj_clip)
        before = first
        first += size


def run_backward(
    gates: Tensor,
    sizes: list[int],
    hidden: Tensor,
    cells: Tensor,
    d_outputs: Tensor,
    states: Tensor,
    projection: Tensor | None,
    cell_clip: float | None,
    proj_clip: float | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the backward pass of the steps of `run_forward`.

    gates (Tensor): As `run_forward` has left it.
    sizes (list[int]): Rows of each step.
    hidden (Tensor): As `run_forward` has left it.
    cells (Tensor): As `run_forward` has left it.
    d_outputs (Tensor): Gradient of the outputs: (n_rows, P).
    states (Tensor): Weight of the states: (4C, P).
    projection (Tensor | None): Weight of the projection: (P, C); None: P is C.
    cell_clip (float | None): Bound of the cells.
    proj_clip (float | None): Bound of the projection.
    RETURNS (tuple[Tensor, Tensor, Tensor, Tensor]): Gradient of the gates, (n_rows, 4C); gradient of the
        projection's outputs before the clip, (n_rows, P); the projection's inputs, (n_rows, C); the hidden states
        that steps start from, (n_rows, P).
    """
    n_cells = cells.size(1)
    n_first = sizes[0]
    i = gates[:, :n_cells]
    f = gates[:, n_cells : 2 * n_cells]
    g = gates[:, 2 * n_cells : 3 * n_cells]
    o = gates[:, 3 * n_cells :]
    tanh = torch.tanh(cells[n_first:])
    gated = o * tanh
    # The factors of the gradients of the steps.
    d_tanh = torch.ops.aten.tanh_backward(o, tanh)
    d_gates = torch.empty_like(gates)
    torch.ops.aten.sigmoid_backward(g, i, grad_input=d_gates[:, :n_cells])
    torch.addcmul(f, f, f, value=-1, out=d_gates[:, n_cells : 2 * n_cells])
    torch.ops.aten.tanh_backward(i, g, grad_input=d_gates[:, 2 * n_cells : 3 * n_cells])
    torch.ops.aten.sigmoid_backward(tanh, o, grad_input=d_gates[:, 3 * n_cells :])
    d_projected = d_outputs.clone()
    d_hidden = torch.empty_like(hidden[:0])
    d_cell = torch.empty_like(cells[:0])
    starts: list[Tensor] = []
    step = len(sizes)
    end = gates.size(0)
    for size in sizes[::-1]:
        step -= 1
        first = end - size
        # Where the states are that the step starts from.
        before = 0 if step == 0 else n_first + first - sizes[step - 1]
        projected = d_projected[first:end]
        projected[: d_hidden.size(0)] += d_hidden
        if projection is None:
            d_gated = projected
        else:
            if proj_clip is not None:
                # A clipped number equals its bound: the outputs show which ones were clipped.
                output = hidden[n_first + first : n_first + end]
                torch.ops.aten.hardtanh_backward(projected, output, -proj_clip, proj_clip, grad_input=projected)
            d_gated = torch.mm(projected, projection)
        own = d_gates[first:end]
        own[:, 3 * n_cells :].mul_(d_gated)
        d_new = d_gated * d_tanh[first:end]
        d_new[: d_cell.size(0)] += d_cell
        if cell_clip is not None:
            cell = cells[n_first + first : n_first + end]
            d_new = torch.ops.aten.hardtanh_backward(d_new, cell, -cell_clip, cell_clip)
        own[:, n_cells : 2 * n_cells].mul_(cells[before : before + size])
        own[:, : 3 * n_cells].view(size, 3, n_cells).mul_(d_new.unsqueeze(1))
        starts.append(hidden[before : before + size])
        if step > 0:
            d_cell = d_new.mul_(f[first:end])
            d_hidden = torch.mm(own, states)
        end = first
    return d_gates, d_projected, gated, torch.cat(starts[::-1])
