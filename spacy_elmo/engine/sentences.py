"""Sentences as users give them, or as numbers, and batches of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, Warnings, short_repr
from ..util.batching import windows
from .base import N_MARKS, Sentence
from .coded import Coded

# Texts that are no words, at the end of a sentence; so is an empty one anywhere.
PADDING = frozenset({"[PAD]", "<pad>", "<PAD>"})
# What can be iterated over, but has no tokens, or has them in no order.
_NO_SEQUENCES = (str, bytes, bytearray, memoryview, Mapping, set, frozenset)
_ADVICE: dict[str, str] = {
    "NoneType": "If it is padding, leave it out: sentences may differ in length.",
    "bytes": "Decode it: token.decode('utf-8').",
    "list": "That is a level too deep: a sentence is a list of texts, and embed() takes a list of sentences.",
    "Token": "Give its text: [token.text for token in doc].",
}


def n_rows(sentence: Sequence[str]) -> int:
    """What a sentence takes up in a batch: its tokens and its marks. Thus even empty ones fill a window."""
    return len(sentence) + N_MARKS


def total_rows(sentences: Sequence[Sentence]) -> int:
    """What sentences take up together."""
    return sentences.n_rows if isinstance(sentences, Coded) else sum(map(n_rows, sentences))


def lengths_of(sentences: Sequence[Sentence]) -> NDArray[np.int64]:
    """(n_sentences,): tokens of each sentence."""
    if isinstance(sentences, Coded):
        return sentences.lengths
    return np.fromiter(map(len, sentences), dtype=np.int64, count=len(sentences))


def cut(sentences: Iterable[list[str]], budget: int) -> Iterator[Sequence[list[str]]]:
    """Groups of consecutive sentences that take up `budget` at most, as `windows`."""
    if isinstance(sentences, Coded):
        return sentences.windows(budget)
    return windows(sentences, size=n_rows, budget=budget)


def checked(sentences: Iterable[Sequence[str]], *, warn: Callable[[str], None]) -> Iterable[list[str]]:
    """Each sentence as a list; sentences of numbers as they are.

    warn (Callable[[str], None]): Takes the warning about tokens that look like padding.
    RAISES (ValueError): If these are no sentences; when it is read, if a sentence is not a list of str.
    """
    if isinstance(sentences, Coded):
        return sentences
    if isinstance(sentences, _NO_SEQUENCES):
        raise ValueError(Errors.EL240.format(got=short_repr(sentences)))
    try:
        return _checked(iter(sentences), warn)
    except TypeError:
        raise ValueError(Errors.EL240.format(got=short_repr(sentences))) from None


def _checked(sentences: Iterator[Sequence[str]], warn: Callable[[str], None]) -> Iterator[list[str]]:
    only_str = {str}
    for i, sentence in enumerate(sentences):
        # What nearly all sentences are, looked at first and in one go: at a GPU's speed, each token counts.
        if type(sentence) is list and {*map(type, sentence)} <= only_str:
            tokens = sentence
        else:
            tokens = _tokens(i, sentence)
        if tokens and (not all(tokens) or tokens[-1] in PADDING):
            warn(Warnings.WL046.format(index=i, token=tokens[-1] if all(tokens) else ""))
        yield tokens


def _tokens(number: int, sentence: Any) -> list[str]:
    """RAISES: ValueError if the sentence is not a list of str."""
    try:
        if isinstance(sentence, _NO_SEQUENCES):
            raise TypeError
        found = iter(sentence)
    except TypeError:
        raise ValueError(Errors.EL033.format(index=number, got=short_repr(sentence))) from None
    tokens = list(found)
    for k, token in enumerate(tokens):
        if not isinstance(token, str):
            advice = _ADVICE.get(type(token).__name__, "Convert it, or leave it out.")
            raise ValueError(Errors.EL034.format(token=k, sentence=number, got=short_repr(token), advice=advice))
    # Of subclasses, the text alone is kept.
    return [*map(str.__str__, tokens)]
