"""Where the tokens of Docs meet the biLM: which sentences it reads, and which rows its outputs fill."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc
from torch import Tensor

from ..bilm.alphabet import Alphabet
from ..errors import Errors
from ..gpu.transfer import to_device
from ..inference.base import N_MARKS
from ..inference.sentences import Coded
from .doc_layers import Hashes
from .spans import Rows, SpanGetter, read
from .texts import TextTable

# Tokens of a sentence, as a rule.
TYPICAL_SENTENCE = 24


@dataclass(frozen=True)
class Placement:
    """sentences: the tokens of every span, Doc after Doc. Whitespace tokens are hidden from the biLM, which never
    saw any in training. lengths: tokens of each Doc. rows: (n_seen,), the rows that the biLM's outputs fill, among
    those of all Docs; None: all of them, in order. hashes: (n_tokens,), spaCy's for the texts of all tokens."""

    sentences: Coded
    lengths: list[int]
    rows: Rows | None
    hashes: Hashes | None = None

    @property
    def n_tokens(self) -> int:
        """Of all Docs."""
        return sum(self.lengths)

    def split_hashes(self) -> list[Hashes] | None:
        """The hashes of each Doc's tokens: 8 bytes a token, views of those of all Docs."""
        hashes = self.hashes
        if hashes is None:
            return None
        return [hashes[end - length : end] for end, length in zip(accumulate(self.lengths), self.lengths)]

    def spread(self, tokens: NDArray[Any]) -> NDArray[Any]:
        """Outputs of all sentences, (n_seen, width), among rows of zeros: (n_tokens, width)."""
        if self.rows is None:
            return tokens
        spread = np.zeros((self.n_tokens, tokens.shape[1]), dtype=tokens.dtype)
        spread[self.rows] = tokens
        return spread

    def on(self, device: torch.device) -> "TensorPlacement":
        """The same for tensors on a device."""
        return TensorPlacement(self.n_tokens, None if self.rows is None else to_device(self.rows, device))


class TensorPlacement(NamedTuple):
    """n_tokens: of all Docs. rows: see `Placement`, on the device of the tensors."""

    n_tokens: int
    rows: Tensor | None

    def spread(self, tokens: Tensor) -> Tensor:
        """(n_seen, width) -> (n_tokens, width), as `Placement.spread`."""
        if self.rows is None:
            return tokens
        return tokens.new_zeros(self.n_tokens, tokens.size(1)).index_copy_(0, self.rows, tokens)

    def gather(self, tokens: Tensor) -> Tensor:
        """The inverse of `spread`."""
        return tokens if self.rows is None else tokens.index_select(0, self.rows)


class Placer:
    """Reads Docs by the spans that get_spans gives, and knows the texts of earlier ones. A copy knows none."""

    def __init__(self, get_spans: SpanGetter):
        self.get_spans = get_spans
        self._table = TextTable()

    def read_as(self, alphabet: Alphabet) -> None:
        """Know from now on what a model reads of a token."""
        self._table.cut_with(alphabet.shorten)

    def __call__(self, docs: Sequence[Doc]) -> Placement:
        """RAISES: ValueError if get_spans gives no list of spans for each Doc, or spans that overlap."""
        tokens = read(docs, self.get_spans)
        texts, numbers, spaces = self._table.look_up(tokens.hashes, docs)
        starts, ends, rows = tokens.starts, tokens.ends, None
        if spaces.any() or not tokens.whole:
            sizes = ends - starts
            rows = np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
            seen = ~spaces[rows]
            before = np.concatenate([[0], np.cumsum(seen)])
            ends, starts = before[np.cumsum(sizes)], before[np.cumsum(sizes) - sizes]
            rows = rows[seen]
            _check_each_once(rows, docs)
            numbers = numbers[rows]
        return Placement(Coded(texts, numbers, ends - starts), tokens.lengths, rows, tokens.hashes)


def _check_each_once(rows: Rows, docs: Sequence[Doc]) -> None:
    if (np.diff(rows) > 0).all():
        return
    found, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        token = int(found[counts > 1][0])
        for doc in docs:
            if token < len(doc):
                raise ValueError(Errors.EL054.format(token=token, text=doc[token].text))
            token -= len(doc)


def rows_of(doc: Doc) -> int:
    """About what a Doc takes up in a batch: its tokens, and two marks for each sentence, which are not counted."""
    return len(doc) + N_MARKS * (1 + len(doc) // TYPICAL_SENTENCE)
