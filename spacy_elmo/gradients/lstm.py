"""One projected LSTM layer over packed rows, with a backward pass of its own: the numbers of
`bilm.lstm.ProjectedLSTM`, and the gradients of the matrices as one product over all steps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..bilm.lstm import Clips, LSTMState, ProjectedLSTM
from .steps import training_steps


def run_layer(layer: ProjectedLSTM, inputs: Tensor, batch_sizes: Sequence[int], state: LSTMState) -> Tensor:
    """Run a layer.

    inputs, batch_sizes, state: See `ProjectedLSTM`. No gradient goes to the state.
    RETURNS: Outputs (n_rows, P), packed.
    """
    if not batch_sizes:
        return inputs
    projection = None if layer.projection is None else layer.projection.weight
    outputs: Tensor = _Layer.apply(
        (layer.cell_clip, layer.proj_clip),
        list(batch_sizes),
        state,
        inputs,
        layer.input_linear.weight,
        layer.input_linear.bias,
        layer.state_linear.weight,
        projection,
    )
    return outputs


@torch.no_grad()
def read_layer(layer: ProjectedLSTM, inputs: Tensor, n_rows: int, state: LSTMState) -> tuple[Tensor, LSTMState]:
    """Run a layer from which nothing is learnt.

    inputs: (n_steps * n_rows, P), step after step; at least one step. state: hidden (n_rows, P), cell (n_rows, C).
    RETURNS: Outputs, as the inputs, and the state after the last step.
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
    """See `training_steps.run_forward`. RETURNS: hidden and cells, the given state first."""
    n_first = sizes[0]
    hidden = gates.new_empty(n_first + len(gates), states.size(1))
    cells = gates.new_empty(n_first + len(gates), states.size(0) // 4)
    hidden[:n_first], cells[:n_first] = state
    turned = None if projection is None else projection.detach()
    training_steps().run_forward(gates, sizes, hidden, cells, states.detach(), turned, *clips)
    return hidden, cells


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        clips: Clips,
        sizes: Sequence[int],
        state: LSTMState,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor,
        states: Tensor,
        projection: Tensor | None,
    ) -> Tensor:
        gates = torch.addmm(bias, inputs, weight.t())
        hidden, cells = _run_steps(gates, sizes, state, states, projection, clips)
        ctx.clips, ctx.sizes = clips, sizes
        ctx.save_for_backward(inputs, weight, states, projection, gates, hidden, cells)
        return hidden[sizes[0] :].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor) -> Any:
        inputs, weight, states, projection, gates, hidden, cells = ctx.saved_tensors
        turned = None if projection is None else projection.detach()
        d_gates, d_projected, opened, begun = training_steps().run_back(
            gates, ctx.sizes, hidden, cells, d_outputs, states.detach(), turned, *ctx.clips
        )
        _, _, _, *needed = ctx.needs_input_grad
        return (
            None,
            None,
            None,
            d_gates @ weight if needed[0] else None,
            d_gates.t() @ inputs if needed[1] else None,
            d_gates.sum(0) if needed[2] else None,
            d_gates.t() @ begun if needed[3] else None,
            d_projected.t() @ opened if needed[4] else None,
        )
