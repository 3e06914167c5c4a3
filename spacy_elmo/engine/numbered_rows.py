"""Rows of a word table by the numbers of texts, many at a time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .coded import Coded

Rows = NDArray[np.int64]


class NumberedRows:
    """Which row holds a number's text, of the texts that were asked for last.

    capacity: rows of the table.

    A number leads to a row; whether the row still holds its text, the row says. Thus rows may be given to other
    texts without looking for the numbers that lead to them.
    """

    def __init__(self, capacity: int):
        self._texts: Sequence[str] = ()
        self._row_of: Rows = np.zeros(0, dtype=np.int64)
        self._number_in: Rows = np.full(capacity, -1, dtype=np.int64)

    def find(self, coded: Coded) -> Rows:
        """(n_tokens,): the row of each token; -1 where none is known."""
        if coded.texts is not self._texts:
            self._texts = coded.texts
            self._number_in.fill(-1)
        lacking = len(coded.texts) - len(self._row_of)
        if lacking > 0:
            more = np.zeros(max(lacking, len(self._row_of)), dtype=np.int64)
            self._row_of = np.concatenate([self._row_of, more])
        rows: Rows = self._row_of[coded.numbers]
        rows[self._number_in[rows] != coded.numbers] = -1
        return rows

    def note(self, numbers: Rows, rows: Rows) -> None:
        """These rows hold the texts of these numbers now, of the texts that `find` was asked for last."""
        self._row_of[numbers] = rows
        self._number_in[rows] = numbers

    def forget(self, rows: Rows) -> None:
        """These rows are given to other texts."""
        self._number_in[rows] = -1
