"""The steps of a recurrence in training, forward and back, as functions that run without Python's lock; see
`torchscript`."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..inference.cpu.steps import compile_functions


@cache
def training_steps() -> Any:
    """The functions below, compiled where that works."""
    return compile_functions(run_forward, run_back, is_right=_is_right)


def _is_right(unit: Any, plain: Any) -> bool:
    """Of a few steps with one output and one cell."""
    results = []
    with torch.no_grad():
        for functions in (unit, plain):
            gates, one, sizes = torch.linspace(0, 1, 12).view(3, 4), torch.ones(1, 1), [2, 1]
            hidden, cells = torch.ones(5, 1), torch.ones(5, 1)
            functions.run_forward(gates, sizes, hidden, cells, torch.ones(4, 1) / 2, one, 3.0, 3.0)
            found = functions.run_back(
                gates, sizes, hidden, cells, torch.ones(3, 1), torch.ones(4, 1) / 2, one, 3.0, 3.0
            )
            results.append(torch.cat([hidden, cells, *(part.reshape(-1, 1) for part in found)]))
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
    """Run an LSTM layer's steps, of which each has as many rows as the one before, or fewer.

    gates: (n_rows, 4C), i, f, g, o, of the inputs; becomes what the activations make of them and of the states.
    sizes: rows of each step.
    hidden: (n_sentences + n_rows, P), first what the sentences begin with; takes the outputs. cells: the same,
        (n_sentences + n_rows, C).
    states: (4C, P), weight. projection: (P, C), weight; None: P is C.
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
        opened = torch.tanh(cell).mul_(own[:, 3 * n_cells :])
        output = hidden[first : first + size]
        if projection is None:
            output.copy_(opened)
        else:
            torch.mm(opened, projection.t(), out=output)
            if proj_clip is not None:
                output.clamp_(-proj_clip, proj_clip)
        before = first
        first += size


def run_back(
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
    """Go back through the steps of `run_forward`.

    gates, hidden, cells: as it left them. d_outputs: (n_rows, P), gradient of its outputs.
    RETURNS: gradients of the gates of the inputs, (n_rows, 4C), and of what the projection gives, before it is
        clipped, (n_rows, P); what it read, (n_rows, C); the hidden states that steps began with, (n_rows, P).
    """
    n_cells = cells.size(1)
    n_first = sizes[0]
    i = gates[:, :n_cells]
    f = gates[:, n_cells : 2 * n_cells]
    g = gates[:, 2 * n_cells : 3 * n_cells]
    o = gates[:, 3 * n_cells :]
    tanh = torch.tanh(cells[n_first:])
    opened = o * tanh
    # What the gradients of the steps are multiplied by.
    d_tanh = torch.ops.aten.tanh_backward(o, tanh)
    d_gates = torch.empty_like(gates)
    torch.ops.aten.sigmoid_backward(g, i, grad_input=d_gates[:, :n_cells])
    torch.addcmul(f, f, f, value=-1, out=d_gates[:, n_cells : 2 * n_cells])
    torch.ops.aten.tanh_backward(i, g, grad_input=d_gates[:, 2 * n_cells : 3 * n_cells])
    torch.ops.aten.sigmoid_backward(tanh, o, grad_input=d_gates[:, 3 * n_cells :])
    d_projected = d_outputs.clone()
    d_hidden = torch.empty_like(hidden[:0])
    d_cell = torch.empty_like(cells[:0])
    begun: list[Tensor] = []
    step = len(sizes)
    end = gates.size(0)
    for size in sizes[::-1]:
        step -= 1
        first = end - size
        # Where the states that the step began with stand.
        before = 0 if step == 0 else n_first + first - sizes[step - 1]
        projected = d_projected[first:end]
        projected[: d_hidden.size(0)] += d_hidden
        if projection is None:
            d_opened = projected
        else:
            if proj_clip is not None:
                # A clipped number is its bound, so that the outputs tell which were.
                output = hidden[n_first + first : n_first + end]
                torch.ops.aten.hardtanh_backward(projected, output, -proj_clip, proj_clip, grad_input=projected)
            d_opened = torch.mm(projected, projection)
        own = d_gates[first:end]
        own[:, 3 * n_cells :].mul_(d_opened)
        d_new = d_opened * d_tanh[first:end]
        d_new[: d_cell.size(0)] += d_cell
        if cell_clip is not None:
            cell = cells[n_first + first : n_first + end]
            d_new = torch.ops.aten.hardtanh_backward(d_new, cell, -cell_clip, cell_clip)
        own[:, n_cells : 2 * n_cells].mul_(cells[before : before + size])
        own[:, : 3 * n_cells].view(size, 3, n_cells).mul_(d_new.unsqueeze(1))
        begun.append(hidden[before : before + size])
        if step > 0:
            d_cell = d_new.mul_(f[first:end])
            d_hidden = torch.mm(own, states)
        end = first
    return d_gates, d_projected, opened, torch.cat(begun[::-1])
