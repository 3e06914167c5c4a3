"""Distinct token texts of a batch: what the character encoder has to see."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .coded import Coded


class WordTypes(NamedTuple):
    """types: each distinct text once, in order of first occurrence, or of the numbers of a batch that has such.
    numbers: (n_tokens,), int64, the type of every token, sentence after sentence."""

    types: list[str]
    numbers: NDArray[np.int64]


def word_types(
    sentences: Sequence[Sequence[str]], *, before: Sequence[str] = (), after: Sequence[str] = ()
) -> WordTypes:
    """Word types of a batch. before, after: marks put around every sentence."""
    if isinstance(sentences, Coded) and not before and not after:
        return _types_of_numbers(sentences)
    table: dict[str, int] = {}
    numbers = [
        table.setdefault(token, len(table))
        for sentence in sentences
        for part in (before, sentence, after)
        for token in part
    ]
    return WordTypes(list(table), np.asarray(numbers, dtype=np.int64))


def _types_of_numbers(batch: Coded) -> WordTypes:
    seen = np.zeros(len(batch.texts), dtype=bool)
    seen[batch.numbers] = True
    types = [batch.texts[number] for number in np.flatnonzero(seen).tolist()]
    return WordTypes(types, (np.cumsum(seen) - 1)[batch.numbers])


def without_marks(lengths: Sequence[int]) -> NDArray[np.int64]:
    """Rows of a flat batch that are tokens, not the marks at both ends of each sentence.

    lengths: rows of each sentence, marks included.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    ends = np.cumsum(sizes)
    shown = np.ones(int(sizes.sum()), dtype=bool)
    shown[ends - 1] = False
    shown[ends - sizes] = False
    return np.flatnonzero(shown)
