"""Sentences as users give them, or as numbers, and batches of them."""

from typing import Iterable, Iterator, List, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors
from .base import N_MARKS, Sentence
from .batching import windows
from .coded import Coded


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


def cut(sentences: Iterable[List[str]], budget: int) -> Iterator[Sequence[List[str]]]:
    """Groups of consecutive sentences that take up `budget` at most, as `windows`."""
    if isinstance(sentences, Coded):
        return sentences.windows(budget)
    return windows(sentences, size=n_rows, budget=budget)


def checked(sentences: Iterable[Sequence[str]]) -> Iterable[List[str]]:
    """Each sentence as a list; sentences of numbers as they are. RAISES: ValueError, when it is read, if a
    sentence is not a list of str."""
    return sentences if isinstance(sentences, Coded) else _checked(sentences)


def _checked(sentences: Iterable[Sequence[str]]) -> Iterator[List[str]]:
    only_str = {str}
    for i, sentence in enumerate(sentences):
        # What nearly all sentences are, looked at first and in one go: at a GPU's speed, each token counts.
        if type(sentence) is list and {*map(type, sentence)} <= only_str:
            yield sentence
            continue
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Iterable):
            raise ValueError(Errors.EL033.format(index=i, got=repr(sentence)))
        tokens = list(sentence)
        for k, token in enumerate(tokens):
            if not isinstance(token, str):
                raise ValueError(Errors.EL034.format(token=k, sentence=i, got=repr(token)))
        yield tokens
