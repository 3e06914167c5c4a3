"""Sentences whose tokens are numbers: at a GPU's speed, a list of every token costs more than the biLM."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from .base import N_MARKS


class Coded(Sequence[list[str]]):
    """Sentences, to be used wherever lists of token texts are; these are made when they are asked for.

    texts: each once. They may be appended to while they are used here, but not change: that it is the same list
        says that its numbers are the same.
    numbers: (n_tokens,), int64, each token's place in `texts`, sentence after sentence.
    lengths: (n_sentences,), int64, tokens of each sentence.
    """

    __slots__ = ("lengths", "numbers", "texts")

    def __init__(self, texts: Sequence[str], numbers: NDArray[np.int64], lengths: NDArray[np.int64]):
        self.texts = texts
        self.numbers = numbers
        self.lengths = lengths

    @property
    def n_rows(self) -> int:
        """What they take up in a batch: their tokens and their marks."""
        return len(self.numbers) + N_MARKS * len(self.lengths)

    def windows(self, budget: int) -> Iterator["Coded"]:
        """Groups of consecutive sentences, cut as `batching.windows` would cut them."""
        rows = np.cumsum(self.lengths + N_MARKS)
        first = done = 0
        while first < len(rows):
            last = max(first + 1, int(np.searchsorted(rows, done + budget, side="right")))
            end = int(rows[last - 1])
            # Rows before a sentence are tokens and the marks of those before it.
            tokens = slice(done - N_MARKS * first, end - N_MARKS * last)
            yield Coded(self.texts, self.numbers[tokens], self.lengths[first:last])
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
