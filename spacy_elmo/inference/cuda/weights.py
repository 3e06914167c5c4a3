"""The weights of one LSTM layer for both directions, as the kernels read them."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ...bilm.options import LSTMOptions

# Cells whose gates stand side by side: see `gpu.kernels.gates.open_gates`.
UNIT = 8
# How `bilm.lstm` orders gates (i, f, g, o) is how they are interleaved.
N_GATES = 4


class LayerWeights:
    """The weights of one layer, both directions.

    directions (tuple[Mapping[str, Tensor], Mapping[str, Tensor]]): The state_dict of the layer's
        `bilm.lstm.ProjectedLSTM`, forward first.
    options (LSTMOptions): The options of the LSTMs.
    dtype (torch.dtype): The dtype of the matrices; the bias stays in float32.

    joint (Tensor): (2, 4C, 2P), for inputs and state side by side, gates interleaved.
    bias (Tensor): (2, 4C), interleaved.
    projection (Tensor | None): (2, P, C); None if the layer has none.
    """

    def __init__(
        self,
        directions: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
        *,
        options: LSTMOptions,
        dtype: torch.dtype,
    ):
        self.options = options
        joint = [torch.cat([own["input_linear.weight"], own["state_linear.weight"]], dim=1) for own in directions]
        self.joint = torch.stack([_interleave(matrix) for matrix in joint]).to(dtype)
        self.bias = torch.stack([_interleave(own["input_linear.bias"]) for own in directions])
        self.projection: Tensor | None = None
        if options.has_projection:
            self.projection = torch.stack([own["projection.weight"] for own in directions]).to(dtype)

    def named_tensors(self, direction: int) -> dict[str, Tensor]:
        """Get the tensors of one direction that the layer was made from, with the matrices rounded to their dtype.

        direction (int): 0 for forward, 1 for backward.
        RETURNS (dict[str, Tensor]): By the names of a `bilm.lstm.ProjectedLSTM`'s state_dict.
        """
        inputs, state = _deinterleave(self.joint[direction]).chunk(2, dim=1)
        named = {
            "input_linear.weight": inputs.contiguous(),
            "input_linear.bias": _deinterleave(self.bias[direction]),
            "state_linear.weight": state.contiguous(),
        }
        if self.projection is not None:
            named["projection.weight"] = self.projection[direction].clone()
        return named


def _interleave(gates: Tensor) -> Tensor:
    """(4C, ...), gate after gate -> (4C, ...), the gates of 8 cells side by side."""
    rest = gates.shape[1:]
    return gates.view(N_GATES, -1, UNIT, *rest).transpose(0, 1).reshape(-1, *rest).contiguous()


def _deinterleave(gates: Tensor) -> Tensor:
    rest = gates.shape[1:]
    return gates.view(-1, N_GATES, UNIT, *rest).transpose(0, 1).reshape(-1, *rest).contiguous()
