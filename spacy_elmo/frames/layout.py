"""Which text, sentence and token each row of a frame stands for."""

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..splitter import SplitSentence
from .choices import UNITS, Unit

T = TypeVar("T")
Numbers = NDArray[np.int64]


class Layout:
    """The rows of a frame. A text without tokens has one row, too.

    Values come in flat order: of all tokens, of all sentences, or of all documents, which are the texts.

    split (Sequence[Sequence[SplitSentence]]): The sentences of each text.
    level (Unit): What a row stands for.
    """

    def __init__(self, split: Sequence[Sequence[SplitSentence]], *, level: Unit):
        self.level = level
        self.split = split
        self.sentences = [*chain.from_iterable(split)]
        sentences_of_text = _count(split)
        tokens_of_sentence = _count([sentence.tokens for sentence in self.sentences])
        # The first sentence of each text and the first token of each sentence and text; at the end, their number.
        sentence_bounds, token_bounds = _sum_up(sentences_of_text), _sum_up(tokens_of_sentence)
        self._bounds = {
            ("sentence", "document"): sentence_bounds,
            ("token", "sentence"): token_bounds,
            ("token", "document"): token_bounds[sentence_bounds],
        }
        self.tokens_of_sentence = tokens_of_sentence
        self.tokens_of_document = np.diff(self._bounds["token", "document"])
        rows = {
            "token": self.tokens_of_document,
            "sentence": sentences_of_text,
            "document": np.ones_like(sentences_of_text),
        }[level]
        # The document of each row.
        self.documents = np.repeat(np.arange(len(split)), np.maximum(rows, 1))
        # Whether it is a row with tokens.
        self.filled = sentences_of_text[self.documents] > 0
        self._numbers = {"document": self.documents}
        if level == "token":
            self._numbers["token"] = self._number_rows(np.arange(token_bounds[-1]))
        if level != "document":
            repeats: Numbers | int = tokens_of_sentence if level == "token" else 1
            self._numbers["sentence"] = self._number_rows(np.repeat(np.arange(len(self.sentences)), repeats))

    def pick(self, unit: Unit, values: Sequence[T], missing: T) -> list[T]:
        """Get the value of the row's own token, sentence or document.

        unit (Unit): What the values belong to; not finer than a row.
        values (Sequence[T]): The values.
        missing (T): The value of rows without tokens; documents have theirs.
        RETURNS (list[T]): The value of each row; a value may occur several times.
        """
        # Such rows have the number -1.
        ended = [*values, missing]
        return [ended[number] for number in self._numbers[unit].tolist()]

    def group(self, unit: Unit, values: Sequence[T]) -> list[list[T]]:
        """Get the values of all that a row contains, or else of all that its document contains.

        unit (Unit): What the values belong to.
        values (Sequence[T]): The values.
        RETURNS (list[list[T]]): The values of each row. Rows that are finer than what the values belong to share
            the list of their document, which may be long.
        """
        if unit == "document":
            return self.pick("document", [[value] for value in values], [])
        if UNITS.index(unit) >= UNITS.index(self.level):
            bounds = self._bounds[unit, "document"].tolist()
            groups = [list(values[start:end]) for start, end in pairwise(bounds)]
            return self.pick("document", groups, [])
        bounds = self._bounds[unit, self.level]
        numbers = self._numbers[self.level]
        # A row without tokens, -1, starts and ends at 0.
        starts, ends = np.append(bounds[:-1], 0)[numbers], np.append(bounds[1:], 0)[numbers]
        return [list(values[start:end]) for start, end in zip(starts.tolist(), ends.tolist())]

    def _number_rows(self, numbers: Numbers) -> Numbers:
        """Give numbers to the rows with tokens, and -1 to the others."""
        result = np.full(len(self.filled), -1, dtype=np.int64)
        result[self.filled] = numbers
        return result


def _count(groups: Sequence[Sequence[object]]) -> Numbers:
    return np.fromiter(map(len, groups), dtype=np.int64, count=len(groups))


def _sum_up(counts: Numbers) -> Numbers:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
