"""One projected LSTM layer of both directions on a GPU: the numbers of `recurrence`, computed in other portions.

Memory access and launches limit a GPU, not arithmetic. The inputs' share of the gates is one product over all
steps, so that a step reads half of the weights; one kernel does all between a step's products; and all steps are
one graph. In bfloat16, both shares of the gates are rounded, and added in float32 with the bias.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ..bilm.lstm import Clips
from ..gpu import training_steps
from ..gpu.training_graphs import Graphs
from ..runtime.memory import Workspace


class Settings(NamedTuple):
    """How a layer is run.

    clips (Clips): Bounds of the cell and of the projection.
    dtype (torch.dtype): Of the matrix products.
    workspace (Workspace): For buffers.
    name (str): Of this layer's buffers in the workspace.
    graphs (Graphs | None): Recordings of all steps; None: each operation is launched.
    """

    clips: Clips
    dtype: torch.dtype
    workspace: Workspace
    name: str
    graphs: Graphs | None


class _Buffers(NamedTuple):
    """Memory whose addresses stay the same from batch to batch. Directions come first where all steps are one
    product.

    input_weight (Tensor): (2, 4C, P).
    state_weight (Tensor): (2, 4C, P).
    bias (Tensor): (2, 4C).
    projection (Tensor | None): (2, P, C).
    inputs (Tensor): (2, n_steps, n_rows, P).
    states (Tensor): From the one before the first step: (2, n_steps + 1, n_rows, P).
    given (Tensor): The inputs' share of the gates: (2, n_steps, n_rows, 4C).
    gates (Tensor): (2, n_steps, n_rows, 4C).
    product (Tensor): The state's share of the gates: (2, n_rows, 4C).
    cells (Tensor): From the one before the first step: (n_steps + 1, 2, n_rows, C).
    tanhs (Tensor): (n_steps, 2, n_rows, C).
    opened (Tensor): What the output gates leave of them: (2, n_steps, n_rows, C).
    projected (Tensor | None): (2, n_rows, P).
    outputs (Tensor): (n_steps, 2, n_rows, P).
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
    """Buffers of the backward pass.

    d_outputs (Tensor): (n_steps, 2, n_rows, P).
    d_state (Tensor): (2, n_rows, P).
    d_projected (Tensor): Before the clip: (2, n_steps, n_rows, P).
    d_opened (Tensor | None): (2, n_rows, C).
    d_cell (Tensor): (2, n_rows, C).
    d_gates (Tensor): (2, n_steps, n_rows, 4C).
    """

    d_outputs: Tensor
    d_state: Tensor
    d_projected: Tensor
    d_opened: Tensor | None
    d_cell: Tensor
    d_gates: Tensor


class _Context(FunctionCtx):
    settings: Settings
    buffers: _Buffers


class FusedLayer(torch.autograd.Function):
    """A layer of `run_layer`: reads inputs, hidden, cell and the parameters of both directions, four each."""

    @staticmethod
    def forward(
        ctx: _Context, settings: Settings, inputs: Tensor, hidden: Tensor, cell: Tensor, *parameters: Tensor | None
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
        # Copies: the next batch writes into the same buffers.
        return buffers.outputs.clone(), buffers.outputs[-1].clone(), buffers.cells[-1].clone()

    @staticmethod
    def backward(ctx: _Context, d_outputs: Tensor, d_hidden: Tensor, d_cell: Tensor) -> tuple[Tensor | None, ...]:
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
        d_projections: Tensor | tuple[None, None] = (None, None)
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
    # A buffer that has grown has another address, and a recording of the old address is not valid.
    places = tuple((t.data_ptr(), tuple(t.shape), t.dtype) for t in tensors if t is not None)
    settings.graphs.run(f"{settings.name}.{what}", (settings.clips, places), work)


def _take_weights(buffers: _Buffers, parameters: tuple[Tensor | None, ...]) -> None:
    """Copy the directions' parameters side by side, in the dtype of the products."""
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
        # A text is measured in float32 between batches in bfloat16, whose buffers must keep their addresses.
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
    """Get buffers that all layers share: their backward passes run one after the other."""
    n_steps, _, n_rows, width = b.outputs.shape
    n_cells = b.cells.size(-1)
    full, low = b.outputs.dtype, settings.dtype

    def buffer(what: str, *shape: int, dtype: torch.dtype) -> Tensor:
        found: Tensor = settings.workspace.get(f"{what}.{dtype}", *shape, dtype=dtype, device=b.outputs.device)
        return found

    # Without a projection, no product rounds what comes before the clip.
    projected = low if b.projection is not None else full
    return _Gradients(
        d_outputs=buffer("d_outputs", n_steps, 2, n_rows, width, dtype=full),
        d_state=buffer("d_state", 2, n_rows, width, dtype=low),
        d_projected=buffer("d_projected", 2, n_steps, n_rows, width, dtype=projected),
        d_opened=None if b.projection is None else buffer("d_opened", 2, n_rows, n_cells, dtype=low),
        d_cell=buffer("d_cell", 2, n_rows, n_cells, dtype=full),
        # The inputs' share of the gates is no longer needed.
        d_gates=buffer("given", 2, n_steps, n_rows, 4 * n_cells, dtype=low),
    )
