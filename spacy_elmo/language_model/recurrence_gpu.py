"""One projected LSTM layer of both directions on a GPU: the numbers of `recurrence`, in other portions.

A GPU waits for memory and for launches rather than for sums. What the inputs give to the gates is one product
over all steps, so that a step reads half of the weights; what lies between a step's products is one kernel; and
all steps are one graph. In bfloat16 both halves of the gates' inputs are rounded, and added in float32 with the
bias.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..bilm.lstm import Clips
from ..gpu import training_steps
from ..gpu.training_graphs import Graphs
from ..runtime.memory import Workspace


class Settings(NamedTuple):
    """clips: of the cell and of the projection. dtype: of the matrix products. workspace, name: where the buffers
    of this layer live. graphs: None: launch by launch."""

    clips: Clips
    dtype: torch.dtype
    workspace: Workspace
    name: str
    graphs: Graphs | None


class _Buffers(NamedTuple):
    """Memory that stays where it is from batch to batch. Directions come first where all steps are one product.

    inputs: (2, n_steps, n_rows, P). states: (2, n_steps + 1, n_rows, P), from the one before the first step, as
    cells: (n_steps + 1, 2, n_rows, C). given: what the inputs give to the gates, and gates: (2, n_steps, n_rows,
    4C). product: what the state gives, (2, n_rows, 4C). tanhs: (n_steps, 2, n_rows, C). opened: (2, n_steps,
    n_rows, C). projected: (2, n_rows, P). outputs: (n_steps, 2, n_rows, P).
    """

    input_weight: Tensor
    state_weight: Tensor
    bias: Tensor
    projection: Tensor | None
    inputs: Tensor
    states: Tensor
    given: Tensor
    gates: Tensor
    product: Tensor
    cells: Tensor
    tanhs: Tensor
    opened: Tensor
    projected: Tensor | None
    outputs: Tensor


class _Gradients(NamedTuple):
    """d_outputs: (n_steps, 2, n_rows, P). d_state: (2, n_rows, P). d_projected: (2, n_steps, n_rows, P), before
    the clip. d_opened, d_cell: (2, n_rows, C). d_gates: (2, n_steps, n_rows, 4C)."""

    d_outputs: Tensor
    d_state: Tensor
    d_projected: Tensor
    d_opened: Tensor | None
    d_cell: Tensor
    d_gates: Tensor


class FusedLayer(torch.autograd.Function):
    """As `run_layer` has it: inputs, hidden, cell and the parameters of both directions, four each."""

    @staticmethod
    def forward(
        ctx: Any, settings: Settings, inputs: Tensor, hidden: Tensor, cell: Tensor, *parameters: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        buffers = _buffers(
            settings, inputs.shape, cell.size(-1), inputs.device, projected=parameters[3] is not None
        )
        _take_weights(buffers, parameters)
        buffers.inputs.copy_(inputs.transpose(0, 1))
        buffers.states[:, 0] = hidden
        buffers.cells[0] = cell
        torch.bmm(
            buffers.inputs.flatten(1, 2), buffers.input_weight.mT, out=buffers.given.view(2, -1, 4 * cell.size(-1))
        )
        _run(settings, "forward", buffers, lambda: _forward_steps(buffers, settings.clips))
        ctx.settings, ctx.buffers = settings, buffers
        # Copies: the next batch writes where this one did.
        return buffers.outputs.clone(), buffers.outputs[-1].clone(), buffers.cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, d_outputs: Tensor, d_hidden: Tensor, d_cell: Tensor) -> Any:
        settings, buffers = ctx.settings, ctx.buffers
        full = d_outputs.dtype
        found = _gradients(settings, buffers)
        found.d_outputs.copy_(d_outputs)
        found.d_outputs[-1] += d_hidden
        found.d_cell.copy_(d_cell)
        found.d_state.zero_()
        _run(
            settings,
            "backward",
            (*buffers, *found),
            lambda: _backward_steps(buffers, found, settings.clips),
        )
        d_gates = found.d_gates.flatten(1, 2)
        d_inputs = torch.bmm(d_gates, buffers.input_weight).view_as(buffers.inputs).transpose(0, 1)
        turned = d_gates.mT
        d_input_weights = torch.bmm(turned, buffers.inputs.flatten(1, 2)).to(full)
        d_state_weights = torch.bmm(turned, buffers.states[:, :-1].flatten(1, 2)).to(full)
        d_biases = d_gates.sum(dim=1, dtype=full)
        d_projections: Any = (None, None)
        if buffers.projection is not None:
            d_projected = found.d_projected.flatten(1, 2).mT
            d_projections = torch.bmm(d_projected, buffers.opened.flatten(1, 2)).to(full)
        d_parameters: list[Tensor | None] = []
        for parts in zip(d_input_weights, d_biases, d_state_weights, d_projections):
            d_parameters += parts
        d_hidden = found.d_state.to(full, copy=True)
        return None, d_inputs.to(full), d_hidden, found.d_cell.clone(), *d_parameters


def _forward_steps(b: _Buffers, clips: Clips) -> None:
    cell_clip, proj_clip = clips
    for t in range(len(b.outputs)):
        torch.bmm(b.states[:, t], b.state_weight.mT, out=b.product)
        training_steps.gates_forward(
            b.product, b.given[:, t], b.bias, b.cells[t],
            gates=b.gates[:, t], new_cell=b.cells[t + 1], tanh=b.tanhs[t], opened=b.opened[:, t], clip=cell_clip,
        )  # fmt: skip
        hidden = b.opened[:, t]
        if b.projection is not None:
            hidden = torch.bmm(hidden, b.projection.mT, out=b.projected)
        training_steps.hidden_forward(hidden, output=b.outputs[t], state=b.states[:, t + 1], clip=proj_clip)


def _backward_steps(b: _Buffers, d: _Gradients, clips: Clips) -> None:
    cell_clip, proj_clip = clips
    for t in reversed(range(len(b.outputs))):
        d_opened = d.d_projected[:, t]
        training_steps.hidden_backward(
            d.d_outputs[t], d.d_state, b.outputs[t], d_projected=d_opened, clip=proj_clip
        )
        if b.projection is not None:
            d_opened = torch.bmm(d_opened, b.projection, out=d.d_opened)
        training_steps.gates_backward(
            d_opened, b.gates[:, t], b.cells[t], b.cells[t + 1], b.tanhs[t],
            d_cell=d.d_cell, d_gates=d.d_gates[:, t], clip=cell_clip,
        )  # fmt: skip
        torch.bmm(d.d_gates[:, t], b.state_weight, out=d.d_state)


def _run(settings: Settings, what: str, tensors: Iterable[Tensor | None], work: Callable[[], None]) -> None:
    if settings.graphs is None:
        work()
        return
    # A workspace that grew has moved: such work is another.
    places = tuple((t.data_ptr(), tuple(t.shape), t.dtype) for t in tensors if t is not None)
    settings.graphs.run(f"{settings.name}.{what}", (settings.clips, places), work)


def _take_weights(buffers: _Buffers, parameters: tuple[Tensor | None, ...]) -> None:
    """Side by side, in the dtype of the products; parameters are those of `FusedLayer`."""
    here, there = [], []
    for direction in (0, 1):
        own = parameters[4 * direction : 4 * direction + 4]
        for place, weight in zip(
            (buffers.input_weight, buffers.bias, buffers.state_weight, buffers.projection), own
        ):
            if place is not None and weight is not None:
                here.append(place[direction])
                there.append(weight)
    torch._foreach_copy_(here, there)


def _buffers(
    settings: Settings, shape: torch.Size, n_cells: int, device: torch.device, *, projected: bool
) -> _Buffers:
    n_steps, _, n_rows, width = shape
    full, low = torch.float32, settings.dtype

    def buffer(what: str, *shape: int, dtype: torch.dtype, shared: bool = False) -> Tensor:
        # A text is measured in float32 between batches in bfloat16, which shall find theirs where they were.
        name = what if shared else f"{settings.name}.{what}"
        return settings.workspace.get(f"{name}.{dtype}", *shape, dtype=dtype, device=device)

    return _Buffers(
        input_weight=buffer("input_weight", 2, 4 * n_cells, width, dtype=low),
        state_weight=buffer("state_weight", 2, 4 * n_cells, width, dtype=low),
        bias=buffer("bias", 2, 4 * n_cells, dtype=full),
        projection=buffer("projection", 2, width, n_cells, dtype=low) if projected else None,
        inputs=buffer("inputs", 2, n_steps, n_rows, width, dtype=low),
        states=buffer("states", 2, n_steps + 1, n_rows, width, dtype=low),
        given=buffer("given", 2, n_steps, n_rows, 4 * n_cells, dtype=low, shared=True),
        gates=buffer("gates", 2, n_steps, n_rows, 4 * n_cells, dtype=full),
        product=buffer("product", 2, n_rows, 4 * n_cells, dtype=low, shared=True),
        cells=buffer("cells", n_steps + 1, 2, n_rows, n_cells, dtype=full),
        tanhs=buffer("tanhs", n_steps, 2, n_rows, n_cells, dtype=full),
        opened=buffer("opened", 2, n_steps, n_rows, n_cells, dtype=low),
        projected=buffer("projected", 2, n_rows, width, dtype=low, shared=True) if projected else None,
        outputs=buffer("outputs", n_steps, 2, n_rows, width, dtype=full),
    )


def _gradients(settings: Settings, b: _Buffers) -> _Gradients:
    """Shared by all layers: one goes backward after the other."""
    n_steps, _, n_rows, width = b.outputs.shape
    n_cells = b.cells.size(-1)
    full, low = b.outputs.dtype, settings.dtype

    def buffer(what: str, *shape: int, dtype: torch.dtype) -> Tensor:
        found: Tensor = settings.workspace.get(f"{what}.{dtype}", *shape, dtype=dtype, device=b.outputs.device)
        return found

    # Where there is no projection, what is before the clip is what opened the gates: no product rounds it.
    projected = low if b.projection is not None else full
    return _Gradients(
        d_outputs=buffer("d_outputs", n_steps, 2, n_rows, width, dtype=full),
        d_state=buffer("d_state", 2, n_rows, width, dtype=low),
        d_projected=buffer("d_projected", 2, n_steps, n_rows, width, dtype=projected),
        d_opened=None if b.projection is None else buffer("d_opened", 2, n_rows, n_cells, dtype=low),
        d_cell=buffer("d_cell", 2, n_rows, n_cells, dtype=full),
        # Nobody needs what the inputs gave to the gates any more.
        d_gates=buffer("given", 2, n_steps, n_rows, 4 * n_cells, dtype=low),
    )
