"""From Docs to sentences and back: spans, token texts, and the rows that outputs fill."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.attrs import ORTH, SENT_START
from spacy.tokens import Doc, Span, Token
from thinc.types import Floats2d
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

# The most texts in a table, of some 150 bytes each, and the places of its hash table, a power of two.
CAPACITY = 1 << 17
PLACES = 1 << 18

# Tokens of a usual sentence.
TYPICAL_SENTENCE = 24


class Tokens(NamedTuple):
    """The tokens of a batch of Docs, Doc after Doc.

    hashes (Hashes): The hashes of the texts, (n_tokens,).
    starts (Rows): The row where each span begins.
    ends (Rows): The row where each span ends.
    lengths (list[int]): Tokens of each Doc.
    whole (bool): Whether the spans follow each other, and every token is in one.
    """

    hashes: Hashes
    starts: Rows
    ends: Rows
    lengths: list[int]
    whole: bool


def sent_spans(docs: Sequence[Doc]) -> list[list[Span]]:
    """Get the sentences of each Doc where they are set, else the whole Doc.

    docs (Sequence[Doc]): The Docs.
    RETURNS (list[list[Span]]): The spans of each Doc.
    """
    return [list(doc.sents) if doc.has_annotation("SENT_START") else [doc[:]] for doc in docs]


def doc_spans(docs: Sequence[Doc]) -> list[list[Span]]:
    """Get each Doc as one sentence.

    docs (Sequence[Doc]): The Docs.
    RETURNS (list[list[Span]]): One span for each Doc.
    """
    return [[doc[:]] for doc in docs]


def read_tokens(docs: Sequence[Doc], get_spans: SpanGetter) -> Tokens:
    """Read the tokens of Docs, and their spans.

    docs (Sequence[Doc]): The Docs.
    get_spans (SpanGetter): Returns the spans of a Doc that are embedded as a sentence each.
    RETURNS (Tokens): The tokens, Doc after Doc.
    RAISES (ElmoError): If get_spans does not return a list of spans for each Doc.
    """
    lengths = [*map(len, docs)]
    if get_spans is sent_spans and docs and not any("sents" in doc.user_hooks for doc in docs):
        # Without Spans: to make one takes about as long as to tokenize three words.
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
    """Embed each sentence of a Doc as a sentence, and a Doc without sentence boundaries as one. Registered as
    spacy-elmo.sent_spans.v1.

    RETURNS (SpanGetter): Takes Docs, and returns the Spans of each.
    """
    return sent_spans


def configure_doc_spans() -> SpanGetter:
    """Embed each Doc as one sentence, whatever its sentence boundaries. Registered as spacy-elmo.doc_spans.v1.

    RETURNS (SpanGetter): Takes Docs, and returns the Spans of each.
    """
    return doc_spans


class TokenTexts(NamedTuple):
    """The texts of tokens.

    texts (list[str]): All texts of the table, shortened to what is read; the list only grows.
    numbers (NDArray[np.int64]): The place of each token's text in the list, (n_tokens,).
    spaces (NDArray[np.bool_]): Whether each token is whitespace, (n_tokens,).
    """

    texts: list[str]
    numbers: NDArray[np.int64]
    spaces: NDArray[np.bool_]


class TextTable:
    """The texts of spaCy's hashes, and whether they are whitespace. A hash stands for the same text in every
    vocabulary. Several threads may use a table; a copy is empty.

    To ask spaCy for the text of every token takes longer than everything else that is done with it. Here the low
    bits of a hash give a place with the number of its text, or of another text: only then is a dictionary used.
    """

    def __init__(self) -> None:
        self._lock = ForkLock(self._clear)
        self._shorten: Callable[[str], str] = str
        self._spaces: NDArray[np.bool_] = np.zeros(1024, dtype=bool)
        self._clear()

    def __reduce__(self) -> tuple[type["TextTable"], tuple[()]]:
        return TextTable, ()

    def __len__(self) -> int:
        return len(self._texts)

    def set_shortener(self, shorten: Callable[[str], str]) -> None:
        """Store shortened texts, since long ones would fill the memory. The table is cleared.

        shorten (Callable[[str], str]): See `Alphabet.shorten`.
        """
        with self._lock:
            self._shorten = shorten
            self._clear()

    def look_up(self, hashes: Hashes, docs: Sequence[Doc]) -> TokenTexts:
        """Look up the texts of tokens.

        hashes (Hashes): The hashes of the Docs' tokens, Doc after Doc, (n_tokens,).
        docs (Sequence[Doc]): The source of texts that are not in the table.
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

    def _number_texts(self, hashes: Hashes, tokens: Iterable[Token]) -> NDArray[np.int64]:
        """Add the texts of hashes that are not in the table, and return the numbers of all. Each hash occurs once,
        with one token that has it."""
        for key, token in zip(hashes.tolist(), tokens, strict=True):
            if key not in self._number_by_hash:
                number = self._number_by_hash[key] = len(self._texts)
                self._texts.append(self._shorten(token.text))
                if number == len(self._spaces):
                    self._spaces = np.concatenate([self._spaces, np.zeros_like(self._spaces)])
                self._spaces[number] = token.is_space
        return np.asarray([self._number_by_hash[key] for key in hashes.tolist()], dtype=np.int64)

    def _clear(self) -> None:
        # A new list: callers that still have the old one keep the texts of their numbers.
        self._texts: list[str] = []
        self._number_by_hash: dict[int, int] = {}
        self._number_at = np.zeros(PLACES, dtype=np.int64)
        # A number that is no hash of the place.
        self._hash_at = np.arange(PLACES, dtype=np.uint64) ^ np.uint64(1)


def _places(hashes: Hashes) -> NDArray[np.int64]:
    places: NDArray[np.int64] = (hashes & np.uint64(PLACES - 1)).astype(np.int64)
    return places


def _iter_tokens(docs: Sequence[Doc], rows: NDArray[np.int64]) -> Iterator[Token]:
    """Yield the tokens in these rows of all Docs' tokens, made one by one."""
    ends = np.cumsum([len(doc) for doc in docs])
    numbers = np.searchsorted(ends, rows, side="right")
    for number, row in zip(numbers.tolist(), (rows - ends[numbers]).tolist(), strict=True):
        yield docs[number][row]


@dataclass(frozen=True)
class MappedTokens:
    """The sentences of a batch of Docs, and the rows that their outputs fill.

    sentences (EncodedSentences): The tokens of every span, Doc after Doc, without whitespace tokens: the biLM saw
        none in training.
    lengths (list[int]): Tokens of each Doc.
    rows (Rows | None): The rows of all Docs' tokens that the outputs fill, (n_seen,); None: all of them, in order.
    hashes (Hashes | None): The hashes of all tokens, (n_tokens,).
    """

    sentences: EncodedSentences
    lengths: list[int]
    rows: Rows | None
    hashes: Hashes | None = None

    @property
    def n_tokens(self) -> int:
        """The number of tokens of all Docs."""
        return sum(self.lengths)

    def split_hashes(self) -> list[Hashes] | None:
        """Split the hashes by Doc.

        RETURNS (list[Hashes] | None): Views of the hashes of all Docs; None if there are no hashes.
        """
        hashes = self.hashes
        if hashes is None:
            return None
        return [hashes[end - length : end] for end, length in zip(accumulate(self.lengths), self.lengths)]

    def scatter(self, tokens: NDArray[np.floating]) -> Floats2d:
        """Put the outputs of sentences into the rows of all Docs' tokens; other rows are zeros.

        tokens (NDArray[np.floating]): The outputs, (n_seen, width).
        RETURNS (Floats2d): (n_tokens, width).
        """
        if self.rows is None:
            return cast(Floats2d, tokens)
        scattered = np.zeros((self.n_tokens, tokens.shape[1]), dtype=tokens.dtype)
        scattered[self.rows] = tokens
        return cast(Floats2d, scattered)

    def to(self, device: torch.device) -> "MappedTensors":
        """Get the same rows for tensors on a device.

        device (torch.device): The device.
        RETURNS (MappedTensors): The rows.
        """
        return MappedTensors(self.n_tokens, None if self.rows is None else to_device(self.rows, device))


class MappedTensors(NamedTuple):
    """The rows of `MappedTokens`, for tensors.

    n_tokens (int): The number of tokens of all Docs.
    rows (Tensor | None): See `MappedTokens`; on the device of the tensors.
    """

    n_tokens: int
    rows: Tensor | None

    def scatter(self, tokens: Tensor) -> Tensor:
        """Put the outputs of sentences into the rows of all Docs' tokens; see `MappedTokens.scatter`.

        tokens (Tensor): (n_seen, width).
        RETURNS (Tensor): (n_tokens, width).
        """
        if self.rows is None:
            return tokens
        return tokens.new_zeros(self.n_tokens, tokens.size(1)).index_copy_(0, self.rows, tokens)

    def gather(self, tokens: Tensor) -> Tensor:
        """Invert `scatter`.

        tokens (Tensor): (n_tokens, width).
        RETURNS (Tensor): (n_seen, width).
        """
        return tokens if self.rows is None else tokens.index_select(0, self.rows)


class TokenMapper:
    """Turns Docs into sentences. It keeps the texts of tokens, which a copy does not.

    get_spans (SpanGetter): Returns the spans of a Doc that are embedded as a sentence each.
    """

    def __init__(self, get_spans: SpanGetter):
        self.get_spans = get_spans
        self._table = TextTable()

    def set_alphabet(self, alphabet: Alphabet) -> None:
        """Set what a model reads of a token.

        alphabet (Alphabet): The model's alphabet.
        """
        self._table.set_shortener(alphabet.shorten)

    def __call__(self, docs: Sequence[Doc]) -> MappedTokens:
        """Map Docs to sentences.

        docs (Sequence[Doc]): The Docs.
        RETURNS (MappedTokens): Their sentences.
        RAISES (ElmoError): If get_spans does not return a list of spans for each Doc, or spans overlap.
        """
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
    """Estimate the rows of a Doc in a batch: its tokens, and two boundary tokens for each usual sentence.

    doc (Doc): A Doc.
    RETURNS (int): The number of rows.
    """
    return len(doc) + N_BOUNDARIES * (1 + len(doc) // TYPICAL_SENTENCE)
