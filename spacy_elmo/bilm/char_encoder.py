"""Characters -> word_emb: convolutions, highway layers, projection (Kim et al. 2016, Peters et al. 2018)."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from .characters import N_IDS
from .options import Options


class CharEncoder(nn.Module):
    """Turns the character ids of word types into word embeddings.

    A token's embedding depends on nothing but its own text. A model that knows words as such projects a word's own
    vector and what its characters give, side by side.
    """

    def __init__(self, *, options: Options):
        super().__init__()
        cnn = options.char_cnn
        if options.has_own_vocabulary:
            self.embedding = nn.Embedding(cnn.n_characters, cnn.embedding_dim)
        else:
            # Row 0 stands for "no token" and is always zero; the 261 learnt rows follow.
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
        """character_ids: (n_types, max_characters), int64. word_ids: (n_types,), int64, where words are known.
        RETURNS: word_emb, (n_types, P)."""
        words = self.convolved(character_ids)
        for highway in self.highways:
            words = highway(words)
        words = self.with_known(words, word_ids)
        return words if self.projection is None else self.projection(words)

    def convolved(self, character_ids: Tensor) -> Tensor:
        """The lowest part, up to the activation: (n_types, n_filters)."""
        characters = self.embedding(character_ids).transpose(1, 2)
        words = torch.cat([_highest(conv, characters) for conv in self.convolutions], dim=1)
        # Both activations rise monotonically, so the maximum may come first: fewer numbers, the same result.
        return self.activation(words)

    def with_known(self, words: Tensor, word_ids: Tensor | None) -> Tensor:
        """What the projection reads: beside what characters give, a word's own vector, where words are known."""
        return words if self.word_embedding is None else torch.cat([self.word_embedding(word_ids), words], dim=1)


class Highway(nn.Module):
    """g * relu(W_t x + b_t) + (1 - g) * x with g = sigmoid(W_c x + b_c): bilm-tf's reading of the carry gate,
    which is the share of the transformed value."""

    def __init__(self, *, dim: int):
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.carry = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """x: (n, dim). RETURNS: (n, dim)."""
        return self.combine(self.carry(x), self.transform(x), x)

    @staticmethod
    def combine(carried: Tensor, transformed: Tensor, x: Tensor) -> Tensor:
        """carried, transformed: what the two products give."""
        gate = torch.sigmoid(carried)
        return gate * F.relu(transformed) + (1 - gate) * x


def _highest(convolution: nn.Conv1d, characters: Tensor) -> Tensor:
    """Highest answer of each filter. characters: (n, dim, max_characters). RETURNS: (n, n_filters)."""
    if not characters.is_cuda:
        highest: Tensor = convolution(characters).amax(dim=2)
        return highest
    # cuDNN rounds to TF32 unless the whole process is told otherwise; a product with all windows does not.
    windows = characters.unfold(2, convolution.kernel_size[0], 1).transpose(1, 2).flatten(2)
    return F.linear(windows, convolution.weight.flatten(1), convolution.bias).amax(dim=1)
