"""AllenNLP's character encoder: modules that hold its parameters under AllenNLP's names."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...bilm.char_encoder import convolve_windows
from ...bilm.characters import OFFSET
from ...bilm.options import Options
from .boundaries import add_sentence_boundary_token_ids
from .character_ids import ELMoCharacterMapper


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
            weights = {
                part: torch.cat([tensors[f"{own}transform.{part}"], -tensors[f"{own}carry.{part}"]])
                for part in ("weight", "bias")
            }
            layers.append(make_linear(weights["weight"], weights["bias"]))
        self._layers = layers

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layers, one after the other.

        inputs (Tensor): (n_words, n_filters).
        RETURNS (Tensor): (n_words, n_filters).
        """
        for layer in self._layers:
            transformed, passes = layer(inputs).chunk(2, dim=-1)
            gate = torch.sigmoid(passes)
            inputs = gate * inputs + (1 - gate) * functional.relu(transformed)
        return inputs

    def iter_named(self) -> Iterator[tuple[str, Tensor]]:
        """Compute the parameters of `BiLM`, with gradients.

        YIELDS (tuple[str, Tensor]): Name and tensor.
        """
        for number, layer in enumerate(self._layers):
            for part in ("weight", "bias"):
                transform, passes = getattr(layer, part).chunk(2)
                yield f"char_encoder.highways.{number}.transform.{part}", transform
                yield f"char_encoder.highways.{number}.carry.{part}", -passes


class Convolution(nn.Conv1d):
    """A convolution that is exact on GPUs, too."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the filters at each position.

        input (Tensor): (n_words, dim, n_characters).
        RETURNS (Tensor): (n_words, n_filters, n_positions).
        """
        if not input.is_cuda:
            return super().forward(input)
        return convolve_windows(self, input).transpose(1, 2)


class CharacterEncoder(nn.Module):
    """The character encoder.

    options (Options): The options of the biLM.
    tensors (Mapping[str, Tensor]): By the names of `BiLM`'s state_dict; they become the parameters.
    """

    def __init__(self, options: Options, tensors: Mapping[str, Tensor]):
        super().__init__()
        self._options = options.to_dict()
        self._activation = torch.tanh if options.char_cnn.activation == "tanh" else torch.relu
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
        n = options.char_cnn.max_characters_per_token
        mapper = ELMoCharacterMapper
        self._beginning_of_sentence_characters = _make_ids(mapper.beginning_of_sentence_characters, n)
        self._end_of_sentence_characters = _make_ids(mapper.end_of_sentence_characters, n)

    @property
    def _convolutions(self) -> list[Convolution]:
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
        characters = functional.embedding(ids.flatten(0, 1), self._char_embedding_weights).transpose(1, 2)
        # Both activations are monotonic: applied after the maximum, they give the same result for less work.
        maxima = torch.cat([convolution(characters).amax(dim=2) for convolution in self._convolutions], dim=1)
        words = self._highways(self._activation(maxima))
        if self._projection is not None:
            words = self._projection(words)
        return {"token_embedding": words.unflatten(0, mask.shape), "mask": mask}

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


def _make_convolution(weight: Tensor, bias: Tensor) -> Convolution:
    n_filters, dim, width = weight.shape
    convolution = nn.utils.skip_init(Convolution, dim, n_filters, kernel_size=width, device="cpu")
    convolution.weight, convolution.bias = nn.Parameter(weight), nn.Parameter(bias)
    return cast(Convolution, convolution)


def _make_ids(characters: Sequence[int], n: int) -> Tensor:
    """Make the ids of a word of 50 characters, whose last ones are padding, for a model of n characters."""
    padding = [ELMoCharacterMapper.padding_character] * n
    return torch.tensor([*characters, *padding][:n]) + OFFSET
