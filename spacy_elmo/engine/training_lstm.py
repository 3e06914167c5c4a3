"""One projected LSTM layer over packed rows, with a backward pass of its own: the numbers of
`bilm.lstm.ProjectedLSTM`, and the gradients of the matrices as one product over all steps."""

from typing import Any, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..bilm.lstm import LSTMState, ProjectedLSTM
from .training_steps import BLOCK, training_steps

Clips = Tuple[Optional[float], Optional[float]]


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
        projection: Optional[Tensor],
    ) -> Tensor:
        n_rows, n_first = len(inputs), sizes[0]
        hidden = inputs.new_empty(n_first + n_rows, states.size(1))
        cells = inputs.new_empty(n_first + n_rows, states.size(0) // 4)
        hidden[:n_first], cells[:n_first] = state
        gates = torch.addmm(bias, inputs, weight.t())
        turned = None if projection is None else projection.detach()
        training_steps().run_forward(gates, sizes, hidden, cells, states.detach(), turned, *clips)
        ctx.clips, ctx.sizes = clips, sizes
        ctx.save_for_backward(inputs, weight, states, projection, gates, hidden, cells)
        return hidden[n_first:].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor) -> Any:
        inputs, weight, states, projection, gates, hidden, cells = ctx.saved_tensors
        turned = None if projection is None else projection.detach()
        block = max(1, BLOCK // gates.size(1))
        d_gates, d_projected, opened, begun = training_steps().run_back(
            gates, ctx.sizes, hidden, cells, d_outputs, states.detach(), turned, *ctx.clips, block
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
