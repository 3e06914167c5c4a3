"""Sentences as users give them or encoded as numbers, their batches, and the word types of a batch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import ElmoError, Errors, Warnings, short_repr
from ..errors.advice import OTHER_TOKEN, TOKENS, advise_sentence
from ..util.batching import windows
from .base import N_BOUNDARIES, Sentence

# Texts that are likely padding if they end a sentence; an empty text is so anywhere.
PADDING = frozenset({"[PAD]", "<pad>", "<PAD>"})
# Iterable types without tokens, or without an order.
_NO_SEQUENCES = (str, bytes, bytearray, memoryview, Mapping, set, frozenset)


@dataclass(frozen=True, eq=False)
class EncodedSentences(Sequence[list[str]]):
    """Sentences as numbers, for use in place of lists of token texts, which are made on request.

    texts (Sequence[str]): Each text once. The list may grow, but texts must not change: the same list object means
        that the numbers are the same.
    numbers (NDArray[np.int64]): The place of each token in `texts`, sentence after sentence, (n_tokens,).
    lengths (NDArray[np.int64]): Tokens of each sentence, (n_sentences,).
    """

    texts: Sequence[str]
    numbers: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """Their rows in a batch: tokens and boundary tokens."""
        return len(self.numbers) + N_BOUNDARIES * len(self.lengths)

    def split(self, budget: int) -> Iterator["EncodedSentences"]:
        """Split into groups of consecutive sentences, as `batching.windows` does.

        budget (int): The most rows of a group.
        YIELDS (EncodedSentences): Each group.
        """
        rows = np.cumsum(self.lengths + N_BOUNDARIES)
        first = done = 0
        while first < len(rows):
            last = max(first + 1, int(np.searchsorted(rows, done + budget, side="right")))
            end = int(rows[last - 1])
            # The rows before include the boundary tokens of earlier sentences.
            tokens = slice(done - N_BOUNDARIES * first, end - N_BOUNDARIES * last)
            yield EncodedSentences(self.texts, self.numbers[tokens], self.lengths[first:last])
            first, done = last, end

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, index: int) -> list[str]: ...

    @overload
    def __getitem__(self, index: slice) -> list[list[str]]: ...

    def __getitem__(self, index: int | slice) -> list[str] | list[list[str]]:
        return list(self)[index]

    def __iter__(self) -> Iterator[list[str]]:
        tokens = [*map(self.texts.__getitem__, self.numbers.tolist())]
        start = 0
        for length in self.lengths.tolist():
            yield tokens[start : start + length]
            start += length


class WordTypes(NamedTuple):
    """The word types of a batch.

    types (list[str]): Each distinct text once, in order of first occurrence; for encoded sentences, of their
        numbers.
    numbers (NDArray[np.int64]): The type of each token, sentence after sentence, (n_tokens,).
    """

    types: list[str]
    numbers: NDArray[np.int64]


def find_word_types(
    sentences: Sequence[Sequence[str]], *, before: Sequence[str] = (), after: Sequence[str] = ()
) -> WordTypes:
    """Find the word types of a batch.

    sentences (Sequence[Sequence[str]]): The batch.
    before (Sequence[str]): Boundary tokens to add before each sentence.
    after (Sequence[str]): Boundary tokens to add after each sentence.
    RETURNS (WordTypes): The types.
    """
    if isinstance(sentences, EncodedSentences) and not before and not after:
        seen = np.zeros(len(sentences.texts), dtype=bool)
        seen[sentences.numbers] = True
        types = [*map(sentences.texts.__getitem__, np.flatnonzero(seen).tolist())]
        return WordTypes(types, (np.cumsum(seen) - 1)[sentences.numbers])
    table: dict[str, int] = {}
    numbers = [
        table.setdefault(token, len(table))
        for sentence in sentences
        for part in (before, sentence, after)
        for token in part
    ]
    return WordTypes(list(table), np.asarray(numbers, dtype=np.int64))


def find_token_rows(lengths: Sequence[int]) -> NDArray[np.int64]:
    """Find the rows of a flat batch that are not boundary tokens.

    lengths (Sequence[int]): Rows of each sentence, with both boundary tokens.
    RETURNS (NDArray[np.int64]): The rows.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    ends = np.cumsum(sizes)
    shown = np.ones(int(sizes.sum()), dtype=bool)
    shown[ends - 1] = False
    shown[ends - sizes] = False
    return np.flatnonzero(shown)


def count_sentence_rows(sentence: Sequence[str]) -> int:
    """Count the rows of a sentence in a batch: tokens and boundary tokens.

    sentence (Sequence[str]): The sentence; an empty one has rows, too.
    RETURNS (int): The number of rows.
    """
    return len(sentence) + N_BOUNDARIES


def count_rows(sentences: Sequence[Sentence]) -> int:
    """Count the rows of sentences in a batch.

    sentences (Sequence[Sentence]): The sentences.
    RETURNS (int): The number of rows.
    """
    return (
        sentences.n_rows if isinstance(sentences, EncodedSentences) else sum(map(count_sentence_rows, sentences))
    )


def count_tokens(sentences: Sequence[Sentence]) -> NDArray[np.int64]:
    """Count the tokens of each sentence.

    sentences (Sequence[Sentence]): The sentences.
    RETURNS (NDArray[np.int64]): (n_sentences,).
    """
    if isinstance(sentences, EncodedSentences):
        return sentences.lengths
    return np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))


def split_batches(sentences: Iterable[list[str]], budget: int) -> Iterator[Sequence[list[str]]]:
    """Split sentences into batches, as `windows` does.

    sentences (Iterable[list[str]]): The sentences.
    budget (int): The most rows of a batch.
    RETURNS (Iterator[Sequence[list[str]]]): Consecutive sentences of each batch.
    """
    if isinstance(sentences, EncodedSentences):
        return sentences.split(budget)
    return windows(sentences, size=count_sentence_rows, budget=budget)


def validate_sentences(sentences: Iterable[Sequence[str]], *, warn: Callable[[str], None]) -> Iterable[list[str]]:
    """Check sentences, and convert each to a list. Encoded sentences are returned unchanged.

    sentences (Iterable[Sequence[str]]): The sentences.
    warn (Callable[[str], None]): Gives the warning about tokens that look like padding.
    RETURNS (Iterable[list[str]]): The sentences.
    RAISES (ElmoError): If they are no sentences; and while they are read, if one is not a list of str.
    """
    if isinstance(sentences, EncodedSentences):
        return sentences
    if isinstance(sentences, _NO_SEQUENCES):
        raise ElmoError(Errors.EL240.format(got=short_repr(sentences)))
    try:
        return _validate(iter(sentences), warn)
    except TypeError:
        raise ElmoError(Errors.EL240.format(got=short_repr(sentences))) from None


def _validate(sentences: Iterator[Sequence[str]], warn: Callable[[str], None]) -> Iterator[list[str]]:
    only_str = {str}
    for i, sentence in enumerate(sentences):
        # Nearly all sentences are lists of str: check that first, in one step, since time for each token
        # counts on a GPU.
        if type(sentence) is list and {*map(type, sentence)} <= only_str:
            tokens = sentence
        else:
            tokens = _read_tokens(i, sentence)
        if tokens and (not all(tokens) or tokens[-1] in PADDING):
            warn(Warnings.WL046.format(index=i, token=tokens[-1] if all(tokens) else ""))
        yield tokens


def _read_tokens(number: int, sentence: Iterable[object]) -> list[str]:
    """Convert a sentence to a list of str; an error if it cannot be converted."""
    try:
        if isinstance(sentence, _NO_SEQUENCES):
            raise TypeError
        found = iter(sentence)
    except TypeError:
        advice = advise_sentence(sentence)
        raise ElmoError(Errors.EL033.format(index=number, got=short_repr(sentence), advice=advice)) from None
    tokens: list[str] = []
    for k, token in enumerate(found):
        if not isinstance(token, str):
            advice = TOKENS.get(type(token).__name__, OTHER_TOKEN)
            raise ElmoError(Errors.EL034.format(token=k, sentence=number, got=short_repr(token), advice=advice))
        # A plain str, if it is of a subclass.
        tokens.append(str.__str__(token))
    return tokens
