"""The schedule of a batch: in which row and at which step each token runs.

The rows of a batch run in parallel, step by step. A row holds sentences one after the other: when one ends,
the next begins from the initial state. Sentences are assigned, longest first, to the row that is shortest so
far, so that rows end at about the same time: nothing is padded, and matrix products have many rows to the end.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Indices = NDArray[np.int64]


class Step(NamedTuple):
    """A step of a schedule.

    size (int): The number of rows that still run; these are the first ones.
    first (int): The packed row where the step's rows begin.
    starting (Tensor | None): Rows in which a sentence begins, except at the first step; None: no row.
    """

    size: int
    first: int
    starting: Tensor | None


class Schedule:
    """The rows and steps of a batch. Packed rows are ordered by step, flat rows by sentence.

    lengths (Sequence[int]): Tokens of each sentence; one without tokens is left out.
    most_rows (int | None): The most rows that run in parallel; None: one for every sentence.
    """

    def __init__(self, lengths: Sequence[int], *, most_rows: int | None = None):
        self._lengths: Indices = np.asarray(lengths, dtype=np.int64)
        self._row, self._start = _deal(self._lengths, most_rows)
        ends = np.zeros(int(self._row.max(initial=-1)) + 1, dtype=np.int64)
        np.maximum.at(ends, self._row[self._lengths > 0], (self._start + self._lengths)[self._lengths > 0])
        # The number of rows that run at each step; these are the first ones.
        self.running: Indices = len(ends) - np.searchsorted(
            ends[::-1], np.arange(ends.max(initial=0)), side="right"
        )
        self._firsts: Indices = np.cumsum(self.running) - self.running
        self.n_rows = len(ends)
        self.n_tokens = int(self._lengths.sum())

    @cached_property
    def steps(self) -> list[Step]:
        """All steps, in order."""
        rows_starting: dict[int, list[int]] = {}
        for row, start, length in zip(self._row.tolist(), self._start.tolist(), self._lengths.tolist()):
            if start and length:
                rows_starting.setdefault(start, []).append(row)
        starting = {step: torch.tensor(rows) for step, rows in rows_starting.items()}
        sizes = enumerate(zip(self.running.tolist(), self._firsts.tolist()))
        return [Step(size, first, starting.get(step)) for step, (size, first) in sizes]

    def starts(self) -> tuple[Indices, Indices]:
        """Find where sentences begin.

        RETURNS (tuple[Indices, Indices]): The step and the row of each sentence that has tokens.
        """
        filled = self._lengths > 0
        return self._start[filled], self._row[filled]

    def token_rows(self) -> Indices:
        """Find the row of each token.

        RETURNS (Indices): By flat row, (n_tokens,).
        """
        row: Indices = np.repeat(self._row, self._lengths)
        return row

    def token_steps(self, *, backward: bool) -> Indices:
        """Find the step of each token.

        backward (bool): For the backward direction, which reads sentences from their end.
        RETURNS (Indices): By flat row, (n_tokens,).
        """
        lengths = self._lengths
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        step: Indices
        if backward:
            step = np.repeat(self._start + lengths - 1, lengths) - within
        else:
            step = np.repeat(self._start, lengths) + within
        return step

    def sentence_rows(self) -> Tensor:
        """Find the row of each sentence.

        RETURNS (Tensor): (n_sentences,); -1 for one without tokens.
        """
        return torch.from_numpy(self._row)

    def order(self, *, backward: bool) -> Tensor:
        """Find the flat row of each packed row.

        backward (bool): For the backward direction, which reads sentences from their end.
        RETURNS (Tensor): (n_tokens,).
        """
        places = self.places(backward=backward)
        order = torch.empty_like(places)
        order[places] = torch.arange(len(places))
        return order

    def places(self, *, backward: bool) -> Tensor:
        """Find the packed row of each flat row, the inverse of `order`.

        backward (bool): For the backward direction, which reads sentences from their end.
        RETURNS (Tensor): (n_tokens,).
        """
        return torch.from_numpy(self._firsts[self.token_steps(backward=backward)] + self.token_rows())


def _deal(lengths: Indices, most_rows: int | None) -> tuple[Indices, Indices]:
    """Assign a row and a first step to each sentence; rows are numbered by decreasing length."""
    longest_first = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    n_rows = most = len(longest_first)
    if most_rows is not None and n_rows:
        # The longest sentence sets the least number of steps: more rows than fill these would end early.
        steps = max(int(lengths.max()), -(-int(lengths.sum()) // most_rows))
        # Most steps have all rows, whose number should be efficient for matrix products.
        n_rows = min(n_rows, round_up(-(-int(lengths.sum()) // steps)))
        most = max(int(lengths.max()), -(-int(lengths.sum()) // n_rows))
    row = np.full(len(lengths), -1, dtype=np.int64)
    start = np.zeros(len(lengths), dtype=np.int64)
    totals = np.zeros(n_rows, dtype=np.int64)
    while len(longest_first):
        # The longest go to the emptiest rows, one each, up to the first that does not fit.
        sentences = longest_first[:n_rows]
        emptiest = np.argsort(totals, kind="stable")[: len(sentences)]
        too_long = np.flatnonzero(totals[emptiest] + lengths[sentences] > most)
        n_dealt = len(sentences) if not len(too_long) or not too_long[0] else int(too_long[0])
        sentences, emptiest = sentences[:n_dealt], emptiest[:n_dealt]
        row[sentences], start[sentences] = emptiest, totals[emptiest]
        totals[emptiest] += lengths[sentences]
        longest_first = longest_first[n_dealt:]
    rank = np.empty(n_rows, dtype=np.int64)
    rank[np.argsort(-totals, kind="stable")] = np.arange(n_rows)
    row[row >= 0] = rank[row[row >= 0]]
    return row, start


def round_up(n: int) -> int:
    """Get the next number of rows of which a product costs nothing extra.

    oneDNN compiles a kernel for every number of rows that it meets, and keeps it: few numbers may occur, or memory
    grows for a long time. Up to 256 rows there are 17 of them.

    n (int): A number of rows.
    RETURNS (int): That number, or a larger one.
    """
    if n <= 8:
        power = 1
        while power < n:
            power *= 2
        return power
    step = 8 if n <= 32 else 16 if n <= 128 else 32 if n <= 512 else 128
    return -(-n // step) * step
