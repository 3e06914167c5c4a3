"""The projected LSTM of `bilm.lstm`, for inference on the CPU, over rows that hold sentence after sentence."""

import torch
from torch import Tensor

from ...bilm.build import pop_prefix
from ...bilm.lstm import LSTMState
from ...bilm.options import LSTMOptions
from ..schedule import Schedule
from .input_gates import Inputs, input_gates
from .linear import Linear, LinearType, PackedAndPlainLinear, PackedLinear, TorchLinear
from .steps import steps

# The order of the gates i, f, g, o (0 to 3): gates that are multiplied are neighbours.
GATE_ORDER = (2, 0, 1, 3)
# Numbers of a small matrix. Torch's plain product is then as fast as a packed one for few rows, and for any number
# of rows if it is added to the gates in place.
MOST_OF_SMALL = 1 << 20


class CpuLSTM:
    """One layer of one direction.

    tensors (dict[str, Tensor]): The state_dict of a `bilm.lstm.ProjectedLSTM`; its tensors are removed.
    options (LSTMOptions): The options of the LSTMs.
    linear (LinearType): How matrix products are computed.
    """

    def __init__(self, tensors: dict[str, Tensor], *, options: LSTMOptions, linear: LinearType):
        self.options = options
        self._bias = _reorder(tensors.pop("input_linear.bias"), GATE_ORDER)
        self.inputs = linear(_reorder(tensors.pop("input_linear.weight"), GATE_ORDER), self._bias)
        states = _reorder(tensors.pop("state_linear.weight"), GATE_ORDER)
        self.states = _choose_linear(linear, states, TorchLinear)(states)
        self.projection: Linear | None = None
        if options.has_projection:
            projection = tensors.pop("projection.weight")
            self.projection = _choose_linear(linear, projection, PackedAndPlainLinear)(projection)

    def run(self, inputs: Inputs, schedule: Schedule, start: LSTMState) -> tuple[Tensor, LSTMState]:
        """Run over packed rows.

        inputs (Inputs): The inputs of the packed rows.
        schedule (Schedule): The rows and steps of the batch.
        start (LSTMState): The initial state of all sentences, hidden (1, P) and cell (1, C), or of each row,
            (n_rows, P) and (n_rows, C); then a row may hold one sentence only.
        RETURNS (tuple[Tensor, LSTMState]): The outputs, (n_tokens, P), packed, and the final state of each row.
        """
        hidden = start.hidden.expand(schedule.n_rows, -1).clone()
        cell = start.cell.expand(schedule.n_rows, -1).clone()
        last = torch.empty_like(hidden)
        outputs = hidden.new_empty(schedule.n_tokens, hidden.size(1))
        run = steps().run_steps
        kinds, projection = [self.states.kind], []
        if self.projection is not None:
            kinds.append(self.projection.kind)
            projection = self.projection.tensors
        for window in input_gates(self.inputs, inputs, schedule.steps):
            origin = window.steps[0].first
            hidden = run(
                kinds,
                self.states.tensors,
                projection,
                self.options.cell_clip,
                self.options.proj_clip,
                window.gates,
                window.slots,
                [step.first - origin for step in window.steps],
                [step.size for step in window.steps],
                [step.starting for step in window.steps],
                start.hidden,
                start.cell,
                hidden,
                cell,
                last,
                outputs[origin:],
            )
        last[: len(hidden)] = hidden
        return outputs, LSTMState(last, cell)

    def named_tensors(self) -> dict[str, Tensor]:
        """Get the state_dict that the layer was made from, rounded if `linear` rounds.

        RETURNS (dict[str, Tensor]): The tensors.
        """
        original = tuple(GATE_ORDER.index(gate) for gate in range(4))
        named = {
            "input_linear.weight": _reorder(self.inputs.weight(), original),
            "input_linear.bias": _reorder(self._bias, original),
            "state_linear.weight": _reorder(self.states.weight(), original),
        }
        if self.projection is not None:
            named["projection.weight"] = self.projection.weight()
        return named


class CpuStack:
    """The L layers of one direction.

    tensors (dict[str, Tensor]): The state_dict of a `bilm.lstm.LSTMStack`; its tensors are removed.
    options (LSTMOptions): The options of the LSTMs.
    linear (LinearType): How matrix products are computed.
    """

    def __init__(self, tensors: dict[str, Tensor], *, options: LSTMOptions, linear: LinearType):
        self.layers = [
            CpuLSTM(pop_prefix(tensors, f"layers.{k}."), options=options, linear=linear)
            for k in range(options.n_layers)
        ]
        self.use_skip_connections = options.use_skip_connections

    def run(
        self, inputs: Inputs, schedule: Schedule, start: LSTMState, *, n_layers: int
    ) -> tuple[list[Tensor], LSTMState]:
        """Run the first n_layers layers over packed rows.

        inputs (Inputs): The inputs of the lowest layer.
        schedule (Schedule): The rows and steps of the batch.
        start (LSTMState): Hidden (L, 1 or n_rows, P) and cell (L, 1 or n_rows, C); see `CpuLSTM.run`.
        n_layers (int): The number of layers to run.
        RETURNS (tuple[list[Tensor], LSTMState]): The output of each layer, (n_tokens, P), residuals added, and the
            final state of these layers for each row.
        """
        outputs: list[Tensor] = []
        finals: list[LSTMState] = []
        for k, layer in enumerate(self.layers[:n_layers]):
            output, final = layer.run(inputs, schedule, LSTMState(start.hidden[k], start.cell[k]))
            if k > 0 and self.use_skip_connections:
                output += outputs[-1]
            inputs = Inputs(output, None)
            outputs.append(output)
            finals.append(final)
        return outputs, LSTMState(*(torch.stack(parts) for parts in zip(*finals)))

    def named_tensors(self) -> dict[str, Tensor]:
        """Get the state_dict that the stack was made from, rounded if `linear` rounds.

        RETURNS (dict[str, Tensor]): The tensors.
        """
        return {
            f"layers.{k}.{name}": tensor
            for k, layer in enumerate(self.layers)
            for name, tensor in layer.named_tensors().items()
        }


def _choose_linear(linear: LinearType, weight: Tensor, better: LinearType) -> LinearType:
    """Choose the better class for a small matrix, if the class is oneDNN's."""
    return better if linear is PackedLinear and weight.numel() <= MOST_OF_SMALL else linear


def _reorder(array: Tensor, order: tuple[int, ...]) -> Tensor:
    """Copy gates, (4C, ...), to another order."""
    return torch.cat([array.chunk(4)[gate] for gate in order])
