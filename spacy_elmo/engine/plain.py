"""The plain engine: the trainable modules themselves, without gradients."""

from typing import List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from ..bilm.bilm import BiLM
from ..bilm.characters import CLOSING, OPENING, character_ids
from ..bilm.lstm import LSTMState
from .base import N_MARKS, BatchOutputs, Sentence
from .threads import after_fork
from .word_types import word_types

# Word types that go through the character encoder at a time: their filters' outputs take 50 numbers a filter.
ENCODER_BATCH = 256


class PlainEngine:
    """Batched PyTorch, each word type encoded once a batch. See `Engine` for the contract."""

    def __init__(self, *, bilm: BiLM):
        self.bilm = bilm

    @torch.inference_mode()
    def run(self, sentences: Sequence[Sentence], *, n_layers: int, state: Optional[LSTMState]) -> BatchOutputs:
        after_fork()
        self.bilm.eval()
        types, numbers = word_types(sentences, before=[OPENING], after=[CLOSING])
        words = self._encode(types).index_select(0, self._tensor(numbers))
        lengths = [len(sentence) + N_MARKS for sentence in sentences]
        layers: List[Tensor] = []
        final: Optional[LSTMState] = None
        if n_layers:
            layers, final = self.bilm(words, lengths, state=state, n_layers=n_layers)
        shown = self._tensor(_without_marks(lengths))
        word_emb, *layers = [layer.index_select(0, shown) for layer in (words, *layers)]
        return BatchOutputs(word_emb, layers, final)

    def _encode(self, types: List[str]) -> Tensor:
        max_characters = self.bilm.options.char_cnn.max_characters_per_token
        parts = []
        for start in range(0, max(len(types), 1), ENCODER_BATCH):
            part = types[start : start + ENCODER_BATCH]
            # The convolution compiles a kernel for each number of rows it meets, and keeps it: few numbers occur.
            ids = np.zeros((_power_of_two(len(part)), max_characters), dtype=np.int64)
            ids[: len(part)] = character_ids(part, max_characters=max_characters)
            parts.append(self.bilm.char_encoder(self._tensor(ids))[: len(part)])
        return torch.cat(parts)

    def _tensor(self, array: "np.ndarray") -> Tensor:
        return torch.from_numpy(array).to(self.bilm.char_encoder.embedding.weight.device)


def _power_of_two(n: int) -> int:
    """The smallest that is not below n."""
    return 1 << max(n - 1, 0).bit_length()


def _without_marks(lengths: Sequence[int]) -> "np.ndarray":
    """Rows of a flat batch that are tokens, not the marks at both ends of each sentence."""
    ends = np.cumsum(lengths)
    shown = np.ones(int(ends[-1]) if len(lengths) else 0, dtype=bool)
    shown[ends - 1] = False
    shown[ends - np.asarray(lengths, dtype=np.int64)] = False
    return np.flatnonzero(shown)
