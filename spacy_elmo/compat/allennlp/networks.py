"""The networks of AllenNLP's biLM: modules that hold its parameters under AllenNLP's names."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ...bilm.build import without_weights
from ...bilm.char_encoder import CharEncoder
from ...bilm.characters import OFFSET
from ...bilm.lstm import LSTMState
from ...bilm.options import Options
from ...errors import ElmoError, Errors
from ...weights.formats.torch_names import LSTM_PARTS, STACKS
from .boundaries import add_sentence_boundary_token_ids
from .character_ids import ELMoCharacterMapper

if TYPE_CHECKING:
    from ...torch.elmo_module import ElmoModule


class Highways(nn.Module):
    """Highway layers: one matrix for what is transformed and for the gate, the share that passes unchanged.

    tensors (Mapping[str, Tensor]): By the names of `BiLM`'s state_dict.
    n_layers (int): The number of layers.
    """

    def __init__(self, tensors: Mapping[str, Tensor], *, n_layers: int):
        super().__init__()
        layers = nn.ModuleList()
        for number in range(n_layers):
            own = f"char_encoder.highways.{number}."
            # See `torch_names.pop_highway_arrays`.
            both = {
                part: torch.cat([tensors[f"{own}transform.{part}"], -tensors[f"{own}carry.{part}"]])
                for part in ("weight", "bias")
            }
            layers.append(make_linear(both["weight"], both["bias"]))
        self._layers = layers

    def iter_named(self) -> Iterator[tuple[str, Tensor]]:
        """Compute the parameters of `BiLM`, with gradients.

        YIELDS (tuple[str, Tensor]): Name and tensor.
        """
        for number, layer in enumerate(self._layers):
            for part in ("weight", "bias"):
                transform, passes = getattr(layer, part).chunk(2)
                yield f"char_encoder.highways.{number}.transform.{part}", transform
                yield f"char_encoder.highways.{number}.carry.{part}", -passes


class CharacterEncoder(nn.Module):
    """The character encoder.

    options (Options): The options of the biLM.
    tensors (Mapping[str, Tensor]): By the names of `BiLM`'s state_dict; they become the parameters.
    """

    def __init__(self, options: Options, tensors: Mapping[str, Tensor]):
        super().__init__()
        self._options = options
        self._char_embedding_weights = nn.Parameter(tensors["char_encoder.embedding.weight"])
        for number, _ in enumerate(options.char_cnn.filters):
            own = f"char_encoder.convolutions.{number}."
            self.add_module(
                f"char_conv_{number}", _make_convolution(tensors[f"{own}weight"], tensors[f"{own}bias"])
            )
        self._n_convolutions = len(options.char_cnn.filters)
        self._highways = Highways(tensors, n_layers=options.char_cnn.n_highway)
        own = "char_encoder.projection."
        self._projection = (
            make_linear(tensors[f"{own}weight"], tensors[f"{own}bias"]) if options.has_char_projection else None
        )
        self.output_dim = options.lstm.projection_dim
        mapper = ELMoCharacterMapper
        self._beginning_of_sentence_characters = torch.tensor(mapper.beginning_of_sentence_characters) + OFFSET
        self._end_of_sentence_characters = torch.tensor(mapper.end_of_sentence_characters) + OFFSET

    @property
    def _convolutions(self) -> list[nn.Conv1d]:
        return [getattr(self, f"char_conv_{number}") for number in range(self._n_convolutions)]

    def get_output_dim(self) -> int:
        """Get the width of the layer.

        RETURNS (int): P.
        """
        return self.output_dim

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Encode a batch, with rows for boundary tokens.

        inputs (Tensor): (batch, longest, 50), character ids.
        RETURNS (dict[str, Tensor]): "token_embedding", (batch, longest + 2, P), and "mask", (batch, longest + 2),
            bool. Rows of padding are not zeros.
        """
        given = (inputs > 0).any(dim=-1)
        ids, mask = add_sentence_boundary_token_ids(
            inputs, given, self._beginning_of_sentence_characters, self._end_of_sentence_characters
        )
        with without_weights():
            encoder = CharEncoder(options=self._options)
        named = {name.partition(".")[2]: tensor for name, tensor in self.iter_named()}
        words: Tensor = torch.func.functional_call(encoder, named, (ids.flatten(0, 1),))
        return {"token_embedding": words.view(*mask.shape, -1), "mask": mask}

    def iter_named(self) -> Iterator[tuple[str, Tensor]]:
        """Get the parameters of `BiLM`, with gradients.

        YIELDS (tuple[str, Tensor]): Name and tensor.
        """
        yield "char_encoder.embedding.weight", self._char_embedding_weights
        parts = [(f"convolutions.{number}", conv) for number, conv in enumerate(self._convolutions)]
        if self._projection is not None:
            parts.append(("projection", self._projection))  # type: ignore[arg-type]
        for name, module in parts:
            for part in ("weight", "bias"):
                yield f"char_encoder.{name}.{part}", getattr(module, part)
        yield from self._highways.iter_named()


class ElmoLstm(nn.Module):
    """The LSTM layers of both directions, and the state that they carry. They run in `ElmoModule`.

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
        for direction, stack in STACKS.items():
            for number in range(lstm.n_layers):
                own = f"{stack}.layers.{number}."
                parts = {name[len(own) :]: tensor for name, tensor in tensors.items() if name.startswith(own)}
                self.add_module(f"{direction}_layer_{number}", _make_layer(parts))

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


def make_linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """Make a linear layer of tensors.

    weight (Tensor): (outputs, inputs).
    bias (Tensor | None): (outputs,).
    RETURNS (nn.Linear): The layer.
    """
    linear = nn.utils.skip_init(nn.Linear, weight.size(1), weight.size(0), bias=bias is not None, device="cpu")
    linear.weight = nn.Parameter(weight)
    if bias is not None:
        linear.bias = nn.Parameter(bias)
    return cast(nn.Linear, linear)


def _make_convolution(weight: Tensor, bias: Tensor) -> nn.Conv1d:
    n_filters, dim, width = weight.shape
    convolution = nn.utils.skip_init(nn.Conv1d, dim, n_filters, kernel_size=width, device="cpu")
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)
    return cast(nn.Conv1d, convolution)


def _make_layer(parts: Mapping[str, Tensor]) -> nn.Module:
    layer = nn.Module()
    layer.input_linearity = make_linear(parts["input_linear.weight"])
    layer.state_linearity = make_linear(parts["state_linear.weight"], parts["input_linear.bias"])
    if "projection.weight" in parts:
        layer.state_projection = make_linear(parts["projection.weight"])
    return layer
