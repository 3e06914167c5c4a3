"""AllenNLP's LSTM: modules that hold its parameters under AllenNLP's names, and run step by step."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...bilm.lstm import LSTMState, apply_gates, clip, run_packed
from ...bilm.options import LSTMOptions
from ...bilm.packing import Packing
from ...errors import ElmoError, Errors
from ...weights.formats.torch_names import LSTM_PARTS, STACKS
from .character_networks import make_linear

if TYPE_CHECKING:
    from ...torch.elmo_module import ElmoModule


class LstmLayer(nn.Module):
    """One layer of one direction; see `bilm.lstm.ProjectedLSTM` for the formulas.

    options (LSTMOptions): Sizes and clips.
    tensors (Mapping[str, Tensor]): By the names of `ProjectedLSTM`'s state_dict; they become the parameters.
    go_forward (bool): Whether it runs from the first token to the last, or the other way round.
    """

    def __init__(self, options: LSTMOptions, tensors: Mapping[str, Tensor], *, go_forward: bool):
        super().__init__()
        self.input_size = self.hidden_size = options.projection_dim
        self.cell_size = options.dim
        self.go_forward = go_forward
        self.memory_cell_clip_value = options.cell_clip
        self.state_projection_clip_value = options.proj_clip
        self.input_linearity = make_linear(tensors["input_linear.weight"])
        self.state_linearity = make_linear(tensors["state_linear.weight"], tensors["input_linear.bias"])
        if "projection.weight" in tensors:
            self.state_projection = make_linear(tensors["projection.weight"])

    def forward(
        self, inputs: Tensor, batch_lengths: Sequence[int], initial_state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over padded sentences.

        inputs (Tensor): (batch, longest, P).
        batch_lengths (Sequence[int]): Tokens of each sentence.
        initial_state (tuple[Tensor, Tensor] | None): Hidden (1, batch, P) and cell (1, batch, C); None: zeros.
        RETURNS (tuple[Tensor, tuple[Tensor, Tensor]]): Outputs (batch, longest, P), with zeros for padding, and
            the state of each sentence after its last step, of the shapes of `initial_state`.
        """
        batch, longest, _ = inputs.shape
        if initial_state is None:
            state = LSTMState(inputs.new_zeros(batch, self.hidden_size), inputs.new_zeros(batch, self.cell_size))
        else:
            state = LSTMState(*(part.squeeze(0) for part in initial_state))
        packing, backward = Packing(batch_lengths, device=inputs.device), not self.go_forward
        lengths = torch.tensor(batch_lengths, dtype=torch.int64, device=inputs.device)
        given = torch.arange(longest, device=inputs.device) < lengths.unsqueeze(1)
        packed = packing.pack(inputs[given], backward=backward)
        outputs, final = run_packed(
            packed, packing.batch_sizes, state.rows(packing.order), project=self.input_linearity, step=self._step
        )
        padded = outputs.new_zeros(batch, longest, self.hidden_size)
        padded[given] = packing.unpack(outputs, backward=backward)
        hidden, cell = (part.unsqueeze(0) for part in final.rows(packing.unsort))
        return padded, (hidden, cell)

    def extra_repr(self) -> str:
        return (
            f"cell_size={self.cell_size}, go_forward={self.go_forward}, "
            f"memory_cell_clip_value={self.memory_cell_clip_value}, "
            f"state_projection_clip_value={self.state_projection_clip_value}"
        )

    def _step(self, input_gates: Tensor, state: LSTMState) -> LSTMState:
        gates = input_gates + self.state_linearity(state.hidden)
        hidden, cell = apply_gates(gates, state.cell, cell_clip=self.memory_cell_clip_value)
        if hasattr(self, "state_projection"):
            hidden = clip(self.state_projection(hidden), self.state_projection_clip_value)
        return LSTMState(hidden, cell)


class ElmoLstm(nn.Module):
    """The LSTM layers of both directions, and the state that they carry.

    owner (ElmoModule): The module that they are a part of.
    tensors (Mapping[str, Tensor]): By the names of `BiLM`'s state_dict; they become the parameters.
    """

    def __init__(self, owner: "ElmoModule", tensors: Mapping[str, Tensor]):
        super().__init__()
        # In a tuple: it is no submodule here.
        self._owner = (owner,)
        lstm = owner.options.lstm
        self.num_layers = lstm.n_layers
        self.input_size = self.hidden_size = lstm.projection_dim
        self.cell_size = lstm.dim
        self._use_skip_connections = lstm.use_skip_connections
        for direction, stack in STACKS.items():
            for number in range(lstm.n_layers):
                own = f"{stack}.layers.{number}."
                parts = {name[len(own) :]: tensor for name, tensor in tensors.items() if name.startswith(own)}
                layer = LstmLayer(lstm, parts, go_forward=direction == "forward")
                self.add_module(f"{direction}_layer_{number}", layer)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Run the layers as modules, step by step. `_ElmoBiLm` does so only where others have changed a part: else
        it computes the same faster.

        inputs (Tensor): (batch, longest, P), the lowest layer.
        mask (Tensor): (batch, longest), true for tokens, which come first in each row.
        RETURNS (Tensor): (L, batch, longest, 2P), with zeros for padding.
        """
        lengths = mask.long().sum(dim=1)
        # Sentences with tokens, the longest first, as AllenNLP's layers and those of others take them.
        rows = lengths.argsort(descending=True, stable=True)[: int(lengths.count_nonzero())]
        sizes: list[int] = lengths[rows].tolist()
        given = inputs[rows][:, : max(sizes, default=0)]
        state = self._get_initial_state(inputs)
        finals = LSTMState(*(part.clone() for part in state))
        halves = []
        for direction, layers in enumerate((self.forward_layers, self.backward_layers)):
            below, outputs = given, []
            for number, layer in enumerate(layers):
                start = tuple(part[direction, number, rows].unsqueeze(0) for part in state)
                output, ends = layer(below, sizes, start)
                below = output + below if number and self._use_skip_connections else output
                outputs.append(below)
                for final, end in zip(finals, ends):
                    final[direction, number, rows] = end.squeeze(0).detach()
            halves.append(torch.stack(outputs))
        if self.stateful:
            self._owner[0].carried.put(finals)
        found = torch.cat(halves, dim=-1)
        padded = found.new_zeros(self.num_layers, *mask.shape, found.size(-1))
        padded[:, rows, : given.size(1)] = found
        return padded

    def set_owner(self, owner: "ElmoModule") -> None:
        """Set the module that carries the state, and says whether it does.

        owner (ElmoModule): The module.
        """
        self._owner = (owner,)

    @property
    def forward_layers(self) -> list[nn.Module]:
        """The layers of the forward direction."""
        return [getattr(self, f"forward_layer_{number}") for number in range(self.num_layers)]

    @property
    def backward_layers(self) -> list[nn.Module]:
        """The layers of the backward direction."""
        return [getattr(self, f"backward_layer_{number}") for number in range(self.num_layers)]

    @property
    def stateful(self) -> bool:
        """Whether a batch starts from the states that the last one ended with. May be set."""
        return self._owner[0].initial_state == "carry"

    @stateful.setter
    def stateful(self, stateful: bool) -> None:
        self._owner[0].initial_state = "carry" if stateful else "zero"

    @property
    def _states(self) -> tuple[Tensor, Tensor] | None:
        """Hidden (L, n_rows, 2P) and cell (L, n_rows, 2C), forward half first; None before the first batch, and
        where they are not carried. May be set."""
        state = self._owner[0].carried.state
        if state is None:
            return None
        hidden, cell = (torch.cat([part[0], part[1]], dim=-1) for part in state)
        return hidden, cell

    @_states.setter
    def _states(self, states: tuple[Tensor, Tensor] | None) -> None:
        carried = self._owner[0].carried
        carried.reset()
        if states is not None:
            carried.put(LSTMState(*(torch.stack(part.chunk(2, dim=-1)) for part in states)))

    def reset_states(self, mask: Tensor | None = None) -> None:
        """Reset states to zeros.

        mask (Tensor | None): (batch,), true for rows to reset; None: all.
        RAISES (ElmoError): If there are more or fewer rows.
        """
        carried = self._owner[0].carried
        if mask is None or carried.state is None:
            carried.reset()
            return
        n_rows = carried.state.hidden.size(2)
        if len(mask) != n_rows:
            raise ElmoError(Errors.EL893.format(got=len(mask), n_rows=n_rows))
        kept = ~mask.bool().view(1, 1, n_rows, 1)
        carried.put(LSTMState(*(part * kept.to(part.device) for part in carried.state)))

    def iter_named(self) -> Iterator[tuple[str, Tensor]]:
        """Get the parameters of `BiLM`.

        YIELDS (tuple[str, Tensor]): Name and tensor.
        """
        for stack, layers in zip(STACKS.values(), (self.forward_layers, self.backward_layers)):
            for number, layer in enumerate(layers):
                for theirs, ours in LSTM_PARTS.items():
                    module, _, part = theirs.partition(".")
                    if hasattr(layer, module):
                        yield f"{stack}.layers.{number}.{ours}", getattr(getattr(layer, module), part)

    def _get_initial_state(self, inputs: Tensor) -> LSTMState:
        shape = (2, self.num_layers, len(inputs))
        zeros = LSTMState(inputs.new_zeros(*shape, self.hidden_size), inputs.new_zeros(*shape, self.cell_size))
        return self._owner[0].carried.take(zeros) if self.stateful else zeros
