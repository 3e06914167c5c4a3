"""Where the tokens of Docs meet the biLM: which sentences it reads, and which rows its outputs fill."""

from dataclasses import dataclass
from typing import Any, List, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc, Span

from ..errors import Errors
from .spans import SpanGetter


@dataclass(frozen=True)
class Placement:
    """sentences: token texts of every span, Doc after Doc. Whitespace tokens are hidden from the biLM, which never
    saw any in training. rows: of each Doc, for each of its spans, the Doc's rows that the biLM sees.
    lengths: tokens of each Doc."""

    sentences: List[List[str]]
    rows: List[List[NDArray[np.int64]]]
    lengths: List[int]

    def spread(self, tokens: NDArray[Any]) -> NDArray[Any]:
        """Outputs of all sentences, (n_seen, width), among rows of zeros: (n_tokens, width)."""
        flat = self._flat_rows()
        n_tokens = sum(self.lengths)
        if np.array_equal(flat, np.arange(n_tokens)):
            return tokens
        spread = np.zeros((n_tokens, tokens.shape[1]), dtype=tokens.dtype)
        spread[flat] = tokens
        return spread

    def gather(self, tokens: NDArray[Any]) -> NDArray[Any]:
        """The inverse of `spread`."""
        return tokens[self._flat_rows()]

    def _flat_rows(self) -> NDArray[np.int64]:
        offsets = np.cumsum(self.lengths) - self.lengths
        parts = [rows + offset for doc_rows, offset in zip(self.rows, offsets) for rows in doc_rows]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def place(docs: Sequence[Doc], get_spans: SpanGetter) -> Placement:
    """RAISES: ValueError if get_spans gives no list of spans for each Doc, or spans that overlap."""
    spans = [list(doc_spans) for doc_spans in get_spans(docs)]
    if len(spans) != len(docs):
        raise ValueError(Errors.EL056.format(got=len(spans), expected=len(docs)))
    return Placement(
        sentences=[
            [token.text for token in span if not token.is_space] for doc_spans in spans for span in doc_spans
        ],
        rows=[_token_rows(doc, doc_spans) for doc, doc_spans in zip(docs, spans)],
        lengths=[len(doc) for doc in docs],
    )


def _token_rows(doc: Doc, spans: Sequence[Span]) -> List[NDArray[np.int64]]:
    """Of each span, the Doc's rows that the biLM sees."""
    seen = np.flatnonzero(doc.to_array(IS_SPACE) == 0)
    rows = [seen[np.searchsorted(seen, span.start) : np.searchsorted(seen, span.end)] for span in spans]
    if len(rows) > 1:
        tokens, counts = np.unique(np.concatenate(rows), return_counts=True)
        if (counts > 1).any():
            token = int(tokens[counts > 1][0])
            raise ValueError(Errors.EL054.format(token=token, text=doc[token].text))
    return rows
