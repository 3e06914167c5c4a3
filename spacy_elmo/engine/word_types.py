"""Distinct token texts of a batch: what the character encoder has to see."""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np
from numpy.typing import NDArray


class WordTypes(NamedTuple):
    """types: each distinct text once, in order of first occurrence.
    numbers: (n_tokens,), int64, the type of every token, sentence after sentence."""

    types: List[str]
    numbers: NDArray[np.int64]


def word_types(
    sentences: Sequence[Sequence[str]], *, before: Sequence[str] = (), after: Sequence[str] = ()
) -> WordTypes:
    """Word types of a batch. before, after: marks put around every sentence."""
    table: Dict[str, int] = {}
    numbers = [
        table.setdefault(token, len(table))
        for sentence in sentences
        for part in (before, sentence, after)
        for token in part
    ]
    return WordTypes(list(table), np.asarray(numbers, dtype=np.int64))


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
