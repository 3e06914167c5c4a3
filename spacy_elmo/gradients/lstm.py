"""One projected LSTM layer over packed rows, with its own backward pass: the numbers of `bilm.lstm.ProjectedLSTM`,
and the gradients of the matrices as one product over all steps."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from ..bilm.lstm import Clips, LSTMState, ProjectedLSTM
from .steps import training_steps


def run_layer(
    layer: ProjectedLSTM, inputs: Tensor, batch_sizes: Sequence[int], state: LSTMState
) -> tuple[Tensor, LSTMState]:
    """Run a layer so that gradients can be computed, except those of the states.

    layer (ProjectedLSTM): The layer.
    inputs (Tensor): Packed: (n_rows, P).
    batch_sizes (Sequence[int]): Rows of each step.
    state (LSTMState): Where sentences start: see `ProjectedLSTM.forward`.
    RETURNS (tuple[Tensor, LSTMState]): Outputs, packed, (n_rows, P), and the state of each sentence after its last
        step.
    """
    if not batch_sizes:
        return inputs, state
    projection = None if layer.projection is None else layer.projection.weight
    outputs, hidden, cell = _Layer.apply(
        (layer.cell_clip, layer.proj_clip),
        list(batch_sizes),
        state,
        inputs,
        layer.input_linear.weight,
        layer.input_linear.bias,
        layer.state_linear.weight,
        projection,
    )
    return outputs, LSTMState(hidden, cell)


@torch.no_grad()
def infer_layer(layer: ProjectedLSTM, inputs: Tensor, n_rows: int, state: LSTMState) -> tuple[Tensor, LSTMState]:
    """Run a layer without gradients.

    layer (ProjectedLSTM): The layer.
    inputs (Tensor): Step after step, at least one: (n_steps * n_rows, P).
    n_rows (int): Rows of each step.
    state (LSTMState): Hidden (n_rows, P) and cell (n_rows, C).
    RETURNS (tuple[Tensor, LSTMState]): Outputs, in the shape of the inputs, and the state after the last step.
    """
    projection = None if layer.projection is None else layer.projection.weight
    sizes = [n_rows] * (len(inputs) // n_rows)
    gates = layer.input_linear(inputs)
    clips = layer.cell_clip, layer.proj_clip
    hidden, cells = _run_steps(gates, sizes, state, layer.state_linear.weight, projection, clips)
    return hidden[n_rows:], LSTMState(hidden[-n_rows:], cells[-n_rows:])


def _run_steps(
    gates: Tensor,
    sizes: Sequence[int],
    state: LSTMState,
    states: Tensor,
    projection: Tensor | None,
    clips: Clips,
) -> tuple[Tensor, Tensor]:
    """Run `steps.run_forward`; return hidden and cells, which begin with the given state."""
    n_first = sizes[0]
    hidden = gates.new_empty(n_first + len(gates), states.size(1))
    cells = gates.new_empty(n_first + len(gates), states.size(0) // 4)
    hidden[:n_first], cells[:n_first] = state
    weight = None if projection is None else projection.detach()
    training_steps().run_forward(gates, sizes, hidden, cells, states.detach(), weight, *clips)
    return hidden, cells


class _Context(FunctionCtx):
    clips: Clips
    sizes: Sequence[int]
    saved_tensors: tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor, Tensor, Tensor]
    needs_input_grad: tuple[bool, ...]


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context,
        clips: Clips,
        sizes: Sequence[int],
        state: LSTMState,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        states: Tensor,
        projection: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        gates = torch.addmm(bias, inputs, weight.t())
        hidden, cells = _run_steps(gates, sizes, state, states, projection, clips)
        ctx.clips, ctx.sizes = clips, sizes
        # Torch takes None, too, though its annotation does not say so.
        ctx.save_for_backward(inputs, weight, states, projection, gates, hidden, cells)  # type: ignore[arg-type]
        last = _find_last_rows(sizes)
        final = hidden[last], cells[last]
        ctx.mark_non_differentiable(*final)
        return hidden[sizes[0] :].clone(), *final

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, d_outputs: Tensor, *_d_final: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs, weight, states, projection, gates, hidden, cells = ctx.saved_tensors
        projection = None if projection is None else projection.detach()
        d_gates, d_projected, gated, starts = training_steps().run_backward(
            gates, ctx.sizes, hidden, cells, d_outputs, states.detach(), projection, *ctx.clips
        )
        _, _, _, *needed = ctx.needs_input_grad
        return (
            None,
            None,
            None,
            d_gates @ weight if needed[0] else None,
            d_gates.t() @ inputs if needed[1] else None,
            d_gates.sum(0) if needed[2] else None,
            d_gates.t() @ starts if needed[3] else None,
            d_projected.t() @ gated if needed[4] else None,
        )


def _find_last_rows(sizes: Sequence[int]) -> list[int]:
    """Find the row of each sentence's last step behind the initial states."""
    rows, end = [0] * sizes[0], sizes[0]
    for step, size in enumerate(sizes):
        still = sizes[step + 1] if step + 1 < len(sizes) else 0
        rows[still:size] = range(end + still, end + size)
        end += size
    return rows
