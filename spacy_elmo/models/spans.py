"""Which stretches of a Doc are embedded as one sentence each."""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ORTH, SENT_START
from spacy.tokens import Doc, Span

from ..errors import Errors

SpanGetter = Callable[[Sequence[Doc]], list[list[Span]]]
Rows = NDArray[np.int64]


class Tokens(NamedTuple):
    """Of a batch of Docs, one after the other.

    hashes: (n_tokens,), uint64, spaCy's numbers for the texts. starts, ends: the rows where each span begins and
    ends. lengths: tokens of each Doc. whole: the spans follow each other, and every token is in one.
    """

    hashes: NDArray[np.uint64]
    starts: Rows
    ends: Rows
    lengths: list[int]
    whole: bool


def sent_spans(docs: Sequence[Doc]) -> list[list[Span]]:
    """The sentences of each Doc where they are set, else the whole Doc."""
    return [list(doc.sents) if doc.has_annotation("SENT_START") else [doc[:]] for doc in docs]


def doc_spans(docs: Sequence[Doc]) -> list[list[Span]]:
    """Each Doc as one sentence."""
    return [[doc[:]] for doc in docs]


def read(docs: Sequence[Doc], get_spans: SpanGetter) -> Tokens:
    """The tokens of Docs, and their spans. RAISES: ValueError if get_spans gives no list of spans for each Doc."""
    lengths = [len(doc) for doc in docs]
    if get_spans is sent_spans and docs and not any("sents" in doc.user_hooks for doc in docs):
        # Making a Span takes about as long as tokenizing three words.
        table = np.concatenate([doc.to_array([ORTH, SENT_START]) for doc in docs])
        begins = table[:, 1] == 1
        filled = [start for start, length in zip(accumulate(lengths, initial=0), lengths) if length]
        begins[filled] = True
        starts = np.flatnonzero(begins)
        ends: Rows = np.append(starts[1:], len(table))[: len(starts)]
        return Tokens(np.ascontiguousarray(table[:, 0]), starts, ends, lengths, True)
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(doc.to_array(ORTH) for doc in docs)])
    if get_spans is doc_spans:
        ends = np.cumsum(lengths, dtype=np.int64)
        return Tokens(hashes, ends - lengths, ends, lengths, True)
    spans = [[(span.start, span.end) for span in doc_spans] for doc_spans in get_spans(docs)]
    if len(spans) != len(docs):
        raise ValueError(Errors.EL056.format(got=len(spans), expected=len(docs)))
    offsets = accumulate(lengths, initial=0)
    flat = [(offset + start, offset + end) for offset, own in zip(offsets, spans) for start, end in own]
    starts, ends = np.asarray(flat, dtype=np.int64).reshape(-1, 2).T
    return Tokens(hashes, starts, ends, lengths, False)


def configure_sent_spans() -> SpanGetter:
    """Registered as spacy-elmo.sent_spans.v1: see `sent_spans`."""
    return sent_spans


def configure_doc_spans() -> SpanGetter:
    """Registered as spacy-elmo.doc_spans.v1: see `doc_spans`."""
    return doc_spans
