"""The character encoder: convolutions, highway layers, projection (Kim et al. 2016, Peters et al. 2018)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .characters import N_IDS
from .options import Options


class CharEncoder(nn.Module):
    """Encodes the characters of word types as word embeddings.

    A token's embedding depends on nothing but its text. A model with a word vocabulary projects the word's vector
    and the encoded characters side by side, or the word's vector alone.

    options (Options): The model's options.
    """

    def __init__(self, *, options: Options):
        super().__init__()
        cnn = options.char_cnn
        if options.has_own_vocabulary:
            self.embedding = nn.Embedding(cnn.n_characters, cnn.embedding_dim)
        else:
            # Row 0 means that there is no token, and is always zero; the 261 trained rows follow.
            self.embedding = nn.Embedding(N_IDS, cnn.embedding_dim, padding_idx=0)
        words = options.words
        self.word_embedding = None if words is None else nn.Embedding(words.n_words, words.embedding_dim)
        convolutions = nn.ModuleList(
            nn.Conv1d(cnn.embedding_dim, number, kernel_size=width) for width, number in cnn.filters
        )
        self.convolutions = cast(Sequence[nn.Conv1d], convolutions)
        self.activation = torch.tanh if cnn.activation == "tanh" else torch.relu
        highways = nn.ModuleList(Highway(dim=cnn.n_filters) for _ in range(cnn.n_highway))
        self.highways = cast("Sequence[Highway]", highways)
        width = cnn.n_filters + (0 if words is None else words.embedding_dim)
        self.projection = nn.Linear(width, options.lstm.projection_dim) if options.has_char_projection else None

    def forward(self, character_ids: Tensor, word_ids: Tensor | None = None) -> Tensor:
        """Encode word types.

        character_ids (Tensor): (n_types, max_characters), int64.
        word_ids (Tensor | None): (n_types,), int64, if the model has a word vocabulary.
        RETURNS (Tensor): word_emb, (n_types, P).
        """
        words = self.convolve(character_ids)
        for highway in self.highways:
            words = highway(words)
        words = self.append_words(words, word_ids)
        return words if self.projection is None else self.projection(words)

    def convolve(self, character_ids: Tensor) -> Tensor:
        """Compute the lowest part, up to the activation.

        character_ids (Tensor): (n_types, max_characters), int64.
        RETURNS (Tensor): (n_types, n_filters); without columns if the model reads words alone.
        """
        if not self.convolutions:
            return self.embedding.weight.new_empty(len(character_ids), 0)
        characters = self.embedding(character_ids).transpose(1, 2)
        words = torch.cat([_max_pool(conv, characters) for conv in self.convolutions], dim=1)
        # Both activations are monotonic: applied after the maximum, they give the same result for less work.
        return self.activation(words)

    def append_words(self, words: Tensor, word_ids: Tensor | None) -> Tensor:
        """Make the input of the projection.

        words (Tensor): (n_types, n_filters), the encoded characters.
        word_ids (Tensor | None): (n_types,), if the model has a word vocabulary.
        RETURNS (Tensor): The vectors of the words beside the encoded characters; without a vocabulary, `words`.
        """
        return words if self.word_embedding is None else torch.cat([self.word_embedding(word_ids), words], dim=1)


class Highway(nn.Module):
    """g * relu(W_t x + b_t) + (1 - g) * x with g = sigmoid(W_c x + b_c).

    As in bilm-tf, the carry gate g is the share of the transformed value.

    dim (int): Width of inputs and outputs.
    """

    def __init__(self, *, dim: int):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.carry = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer.

        x (Tensor): (n, dim).
        RETURNS (Tensor): (n, dim).
        """
        return self.combine(self.carry(x), self.transform(x), x)

    @staticmethod
    def combine(carried: Tensor, transformed: Tensor, x: Tensor) -> Tensor:
        """Combine the results of the two linear layers.

        carried (Tensor): (n, dim), the logits of the gate.
        transformed (Tensor): (n, dim).
        x (Tensor): (n, dim), the input.
        RETURNS (Tensor): (n, dim).
        """
        gate = torch.sigmoid(carried)
        return gate * functional.relu(transformed) + (1 - gate) * x


def convolve_windows(convolution: nn.Conv1d, characters: Tensor) -> Tensor:
    """Apply a convolution as a product with all windows, which is exact: cuDNN rounds to TF32, which is a setting
    of the whole process.

    convolution (nn.Conv1d): The convolution.
    characters (Tensor): (n, dim, max_characters).
    RETURNS (Tensor): (n, n_positions, n_filters).
    """
    windows = characters.unfold(2, convolution.kernel_size[0], 1).transpose(1, 2).flatten(2)
    return functional.linear(windows, convolution.weight.flatten(1), convolution.bias)


def _max_pool(convolution: nn.Conv1d, characters: Tensor) -> Tensor:
    """Compute the maximum of each filter over all positions: (n, dim, max_characters) to (n, n_filters)."""
    if characters.is_cuda:
        return convolve_windows(convolution, characters).amax(dim=1)
    maximum: Tensor = convolution(characters).amax(dim=2)
    return maximum
