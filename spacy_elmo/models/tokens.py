"""From Docs to sentences and back: spans, token texts, and the rows that outputs fill."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.attrs import ORTH, SENT_START
from spacy.tokens import Doc, Span, Token
from torch import Tensor

from ..bilm.alphabet import Alphabet
from ..errors import ElmoError, Errors
from ..gpu.transfer import to_device
from ..inference.base import N_BOUNDARIES
from ..inference.sentences import EncodedSentences
from ..runtime.forks import ForkLock
from .doc_layers import Hashes

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


def read_tokens(docs: Sequence[Doc], get_spans: SpanGetter) -> Tokens:
    """Read the tokens of Docs, and their spans.

    docs (Sequence[Doc]): The Docs.
    get_spans (SpanGetter): Says which spans of a Doc are a sentence each.
    RETURNS (Tokens): Of all Docs, one after the other.
    RAISES (ElmoError): If get_spans does not return a list of spans for each Doc.
    """
    lengths = [*map(len, docs)]
    if get_spans is sent_spans and docs and not any("sents" in doc.user_hooks for doc in docs):
        # Making a Span takes about as long as tokenizing three words.
        table = np.concatenate([doc.to_array([ORTH, SENT_START]) for doc in docs])
        begins = table[:, 1] == 1
        sizes = np.asarray(lengths)
        begins[(np.cumsum(sizes) - sizes)[sizes > 0]] = True
        starts = np.flatnonzero(begins)
        ends: Rows = np.append(starts[1:], len(table))[: len(starts)]
        return Tokens(np.ascontiguousarray(table[:, 0]), starts, ends, lengths, True)
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(doc.to_array(ORTH) for doc in docs)])
    if get_spans is doc_spans:
        ends = np.cumsum(lengths, dtype=np.int64)
        return Tokens(hashes, ends - lengths, ends, lengths, True)
    spans = [[(span.start, span.end) for span in doc_spans] for doc_spans in get_spans(docs)]
    if len(spans) != len(docs):
        raise ElmoError(Errors.EL056.format(got=len(spans), expected=len(docs)))
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


# Texts that are known at most, each of some 150 bytes, and places to find them in, a power of two.
CAPACITY = 1 << 17
PLACES = 1 << 18


class TokenTexts(NamedTuple):
    """texts: all that are known, as they are read; they are only appended to. numbers: (n_tokens,), where in them
    each token's is. spaces: (n_tokens,), bool, the tokens that are whitespace."""

    texts: list[str]
    numbers: NDArray[np.int64]
    spaces: NDArray[np.bool_]


class TextTable:
    """Texts of spaCy's hashes, and whether they are whitespace. What a hash stands for is the same in every
    vocabulary. Several threads may ask at a time; a copy starts empty.

    Asking spaCy for every token takes longer than all else that is done with it. Here a hash leads to a place,
    where its number is, or that of another text: only then, a dictionary is asked.
    """

    def __init__(self) -> None:
        self._lock = ForkLock(self._clear)
        self._shorten: Callable[[str], str] = str
        self._spaces: NDArray[np.bool_] = np.zeros(1024, dtype=bool)
        self._clear()

    def __reduce__(self) -> tuple[Any, ...]:
        return TextTable, ()

    def __len__(self) -> int:
        return len(self._texts)

    def set_shortener(self, shorten: Callable[[str], str]) -> None:
        """Keep texts as they are read, see `Alphabet.shorten`: long ones would fill the memory."""
        with self._lock:
            self._shorten = shorten
            self._clear()

    def look_up(self, hashes: NDArray[np.uint64], docs: Sequence[Doc]) -> TokenTexts:
        """Look up the texts of tokens.

        hashes (NDArray[np.uint64]): (n_tokens,), of the Docs' tokens, Doc after Doc.
        docs (Sequence[Doc]): They are asked for texts that are not known.
        RETURNS (TokenTexts): The texts.
        """
        with self._lock:
            if len(self._texts) > CAPACITY:
                self._clear()
            places = _places(hashes)
            numbers: NDArray[np.int64] = self._number_at[places]
            missed = np.flatnonzero(self._hash_at[places] != hashes)
            if len(missed):
                new, first, which = np.unique(hashes[missed], return_index=True, return_inverse=True)
                found = self._number_texts(new, _iter_tokens(docs, missed[first]))
                numbers[missed] = found[which]
                self._hash_at[_places(new)], self._number_at[_places(new)] = new, found
            return TokenTexts(self._texts, numbers, self._spaces[numbers])

    def _number_texts(self, hashes: NDArray[np.uint64], tokens: Iterable[Token]) -> NDArray[np.int64]:
        """hashes: each once. tokens: one of each."""
        for key, token in zip(hashes.tolist(), tokens, strict=True):
            if key not in self._number_by_hash:
                number = self._number_by_hash[key] = len(self._texts)
                self._texts.append(self._shorten(token.text))
                if number == len(self._spaces):
                    self._spaces = np.concatenate([self._spaces, np.zeros_like(self._spaces)])
                self._spaces[number] = token.is_space
        return np.asarray([self._number_by_hash[key] for key in hashes.tolist()], dtype=np.int64)

    def _clear(self) -> None:
        # A new list: who still has the old one has the texts of its numbers.
        self._texts: list[str] = []
        self._number_by_hash: dict[int, int] = {}
        self._number_at = np.zeros(PLACES, dtype=np.int64)
        # What is no hash of the place.
        self._hash_at = np.arange(PLACES, dtype=np.uint64) ^ np.uint64(1)


def _places(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    places: NDArray[np.int64] = (hashes & np.uint64(PLACES - 1)).astype(np.int64)
    return places


def _iter_tokens(docs: Sequence[Doc], rows: NDArray[np.int64]) -> Iterator[Token]:
    """Tokens by their rows among those of all Docs, made one by one."""
    ends = np.cumsum([len(doc) for doc in docs])
    numbers = np.searchsorted(ends, rows, side="right")
    for number, row in zip(numbers.tolist(), (rows - ends[numbers]).tolist(), strict=True):
        yield docs[number][row]


# Tokens of a sentence, as a rule.
TYPICAL_SENTENCE = 24


@dataclass(frozen=True)
class MappedTokens:
    """sentences: the tokens of every span, Doc after Doc. Whitespace tokens are hidden from the biLM, which never
    saw any in training. lengths: tokens of each Doc. rows: (n_seen,), the rows that the biLM's outputs fill, among
    those of all Docs; None: all of them, in order. hashes: (n_tokens,), spaCy's for the texts of all tokens."""

    sentences: EncodedSentences
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

    def scatter(self, tokens: NDArray[Any]) -> NDArray[Any]:
        """Outputs of all sentences, (n_seen, width), among rows of zeros: (n_tokens, width)."""
        if self.rows is None:
            return tokens
        scattered = np.zeros((self.n_tokens, tokens.shape[1]), dtype=tokens.dtype)
        scattered[self.rows] = tokens
        return scattered

    def to(self, device: torch.device) -> "MappedTensors":
        """The same for tensors on a device."""
        return MappedTensors(self.n_tokens, None if self.rows is None else to_device(self.rows, device))


class MappedTensors(NamedTuple):
    """n_tokens: of all Docs. rows: see `MappedTokens`, on the device of the tensors."""

    n_tokens: int
    rows: Tensor | None

    def scatter(self, tokens: Tensor) -> Tensor:
        """(n_seen, width) -> (n_tokens, width), as `MappedTokens.scatter`."""
        if self.rows is None:
            return tokens
        return tokens.new_zeros(self.n_tokens, tokens.size(1)).index_copy_(0, self.rows, tokens)

    def gather(self, tokens: Tensor) -> Tensor:
        """The inverse of `scatter`."""
        return tokens if self.rows is None else tokens.index_select(0, self.rows)


class TokenMapper:
    """Reads Docs by the spans that get_spans gives, and knows the texts of earlier ones. A copy knows none."""

    def __init__(self, get_spans: SpanGetter):
        self.get_spans = get_spans
        self._table = TextTable()

    def set_alphabet(self, alphabet: Alphabet) -> None:
        """Know from now on what a model reads of a token."""
        self._table.set_shortener(alphabet.shorten)

    def __call__(self, docs: Sequence[Doc]) -> MappedTokens:
        """RAISES (ElmoError): If get_spans gives no list of spans for each Doc, or spans that overlap."""
        tokens = read_tokens(docs, self.get_spans)
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
        return MappedTokens(EncodedSentences(texts, numbers, ends - starts), tokens.lengths, rows, tokens.hashes)


def _check_each_once(rows: Rows, docs: Sequence[Doc]) -> None:
    if (np.diff(rows) > 0).all():
        return
    found, counts = np.unique(rows, return_counts=True)
    if (counts > 1).any():
        token = int(found[counts > 1][0])
        for doc in docs:
            if token < len(doc):
                raise ElmoError(Errors.EL054.format(token=token, text=doc[token].text))
            token -= len(doc)


def estimate_rows(doc: Doc) -> int:
    """Estimate what a Doc takes up in a batch: its tokens, and two marks for each sentence of usual length."""
    return len(doc) + N_BOUNDARIES * (1 + len(doc) // TYPICAL_SENTENCE)
