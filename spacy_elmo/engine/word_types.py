"""Distinct token texts of a batch: what the character encoder has to see."""

from typing import Dict, List, NamedTuple, Sequence

import numpy as np
from numpy.typing import NDArray


class WordTypes(NamedTuple):
    """types: each distinct text once, in order of first occurrence.
    index: (n_tokens,), int64, the type of every token, sentence after sentence."""

    types: List[str]
    index: NDArray[np.int64]


def word_types(sentences: Sequence[Sequence[str]], *, before: Sequence[str] = (), after: Sequence[str] = ()) -> WordTypes:
    """Word types of a batch. before, after: marks put around every sentence."""
    numbers: Dict[str, int] = {}
    index = [
        numbers.setdefault(token, len(numbers))
        for sentence in sentences
        for part in (before, sentence, after)
        for token in part
    ]
    return WordTypes(list(numbers), np.asarray(index, dtype=np.int64))
