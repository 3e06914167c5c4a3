"""Sentences as users give them, or as numbers; batches of them, and the word types of a batch."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from ..errors import ElmoError, Errors, Warnings, short_repr
from ..errors.advice import OTHER_TOKEN, TOKENS
from ..util.batching import windows
from .base import N_BOUNDARIES, Sentence


@dataclass(frozen=True, eq=False)
class EncodedSentences(Sequence[list[str]]):
    """Sentences, to be used wherever lists of token texts are; these are made when they are asked for.

    texts: each once. They may be appended to while they are used here, but not change: that it is the same list
        says that its numbers are the same.
    numbers: (n_tokens,), int64, each token's place in `texts`, sentence after sentence.
    lengths: (n_sentences,), int64, tokens of each sentence.
    """

    texts: Sequence[str]
    numbers: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """What they take up in a batch: their tokens and their marks."""
        return len(self.numbers) + N_BOUNDARIES * len(self.lengths)

    def split(self, budget: int) -> Iterator["EncodedSentences"]:
        """Groups of consecutive sentences, cut as `batching.windows` would cut them."""
        rows = np.cumsum(self.lengths + N_BOUNDARIES)
        first = done = 0
        while first < len(rows):
            last = max(first + 1, int(np.searchsorted(rows, done + budget, side="right")))
            end = int(rows[last - 1])
            # Rows before a sentence are tokens and the marks of those before it.
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
    """types: each distinct text once, in order of first occurrence, or of the numbers of a batch that has such.
    numbers: (n_tokens,), int64, the type of every token, sentence after sentence."""

    types: list[str]
    numbers: NDArray[np.int64]


def find_word_types(
    sentences: Sequence[Sequence[str]], *, before: Sequence[str] = (), after: Sequence[str] = ()
) -> WordTypes:
    """Word types of a batch. before, after: marks put around every sentence."""
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
    """Rows of a flat batch that are tokens, not the marks at both ends of each sentence.

    lengths: rows of each sentence, marks included.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    ends = np.cumsum(sizes)
    shown = np.ones(int(sizes.sum()), dtype=bool)
    shown[ends - 1] = False
    shown[ends - sizes] = False
    return np.flatnonzero(shown)


# Texts that are no words, at the end of a sentence; so is an empty one anywhere.
PADDING = frozenset({"[PAD]", "<pad>", "<PAD>"})
# What can be iterated over, but has no tokens, or has them in no order.
_NO_SEQUENCES = (str, bytes, bytearray, memoryview, Mapping, set, frozenset)


def count_sentence_rows(sentence: Sequence[str]) -> int:
    """What a sentence takes up in a batch: its tokens and its marks. Thus even empty ones fill a window."""
    return len(sentence) + N_BOUNDARIES


def count_rows(sentences: Sequence[Sentence]) -> int:
    """What sentences take up together."""
    return (
        sentences.n_rows if isinstance(sentences, EncodedSentences) else sum(map(count_sentence_rows, sentences))
    )


def count_tokens(sentences: Sequence[Sentence]) -> NDArray[np.int64]:
    """(n_sentences,): tokens of each sentence."""
    if isinstance(sentences, EncodedSentences):
        return sentences.lengths
    return np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))


def split_batches(sentences: Iterable[list[str]], budget: int) -> Iterator[Sequence[list[str]]]:
    """Groups of consecutive sentences that take up `budget` at most, as `windows`."""
    if isinstance(sentences, EncodedSentences):
        return sentences.split(budget)
    return windows(sentences, size=count_sentence_rows, budget=budget)


def validate_sentences(sentences: Iterable[Sequence[str]], *, warn: Callable[[str], None]) -> Iterable[list[str]]:
    """Each sentence as a list; sentences of numbers as they are.

    warn (Callable[[str], None]): Takes the warning about tokens that look like padding.
    RAISES (ElmoError): If these are no sentences; when it is read, if a sentence is not a list of str.
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
        # What nearly all sentences are, looked at first and in one go: at a GPU's speed, each token counts.
        if type(sentence) is list and {*map(type, sentence)} <= only_str:
            tokens = sentence
        else:
            tokens = _read_tokens(i, sentence)
        if tokens and (not all(tokens) or tokens[-1] in PADDING):
            warn(Warnings.WL046.format(index=i, token=tokens[-1] if all(tokens) else ""))
        yield tokens


def _read_tokens(number: int, sentence: Any) -> list[str]:
    """RAISES (ElmoError): If the sentence is not a list of str."""
    try:
        if isinstance(sentence, _NO_SEQUENCES):
            raise TypeError
        found = iter(sentence)
    except TypeError:
        raise ElmoError(Errors.EL033.format(index=number, got=short_repr(sentence))) from None
    tokens = list(found)
    for k, token in enumerate(tokens):
        if not isinstance(token, str):
            advice = TOKENS.get(type(token).__name__, OTHER_TOKEN)
            raise ElmoError(Errors.EL034.format(token=k, sentence=number, got=short_repr(token), advice=advice))
    # Of subclasses, the text alone is kept.
    return [*map(str.__str__, tokens)]
