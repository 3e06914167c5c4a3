"""In which row and at which step each token of a batch runs.

The rows of a batch run side by side, step by step. A row holds sentences one after the other: when one ends, the
next begins from the initial state. Sentences are dealt out, longest first, to the row that is shortest so far, so
that rows end at about the same time: nothing is padded, and matrix products stay tall to the end.
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
    """size: rows that are still running, the first ones. first: packed row where the step's rows begin.
    starting: rows in which a sentence begins, except at the very first step; None: no row."""

    size: int
    first: int
    starting: Tensor | None


class Schedule:
    """How a batch is visited. Packed rows stand step after step; flat rows sentence after sentence.

    lengths: tokens of each sentence; a sentence without tokens takes no part.
    most_rows: how many rows run side by side; None: every sentence has a row of its own.
    """

    def __init__(self, lengths: Sequence[int], *, most_rows: int | None = None):
        self._lengths: Indices = np.asarray(lengths, dtype=np.int64)
        self._row, self._start = _deal(self._lengths, most_rows)
        ends = np.zeros(int(self._row.max(initial=-1)) + 1, dtype=np.int64)
        np.maximum.at(ends, self._row[self._lengths > 0], (self._start + self._lengths)[self._lengths > 0])
        # Rows that run at each step, the first ones.
        self.running: Indices = len(ends) - np.searchsorted(
            ends[::-1], np.arange(ends.max(initial=0)), side="right"
        )
        self._firsts: Indices = np.cumsum(self.running) - self.running
        self.n_rows = len(ends)
        self.n_tokens = int(self._lengths.sum())

    @cached_property
    def steps(self) -> list[Step]:
        """What a step works on, step after step."""
        rows_starting: dict[int, list[int]] = {}
        for row, start, length in zip(self._row.tolist(), self._start.tolist(), self._lengths.tolist()):
            if start and length:
                rows_starting.setdefault(start, []).append(row)
        starting = {step: torch.tensor(rows) for step, rows in rows_starting.items()}
        sizes = enumerate(zip(self.running.tolist(), self._firsts.tolist()))
        return [Step(size, first, starting.get(step)) for step, (size, first) in sizes]

    def starts(self) -> tuple[Indices, Indices]:
        """Step and row where each sentence that has tokens begins."""
        filled = self._lengths > 0
        return self._start[filled], self._row[filled]

    def token_rows(self) -> Indices:
        """(n_tokens,): the row of each flat row."""
        row: Indices = np.repeat(self._row, self._lengths)
        return row

    def token_steps(self, *, backward: bool) -> Indices:
        """(n_tokens,): the step of each flat row. The backward direction reads sentences from their end."""
        lengths = self._lengths
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        step: Indices
        if backward:
            step = np.repeat(self._start + lengths - 1, lengths) - within
        else:
            step = np.repeat(self._start, lengths) + within
        return step

    def sentence_rows(self) -> Tensor:
        """(n_sentences,): the row of each sentence; -1 for one without tokens."""
        return torch.from_numpy(self._row)

    def order(self, *, backward: bool) -> Tensor:
        """(n_tokens,): the flat row of each packed row. The backward direction reads sentences from their end."""
        places = self.places(backward=backward)
        order = torch.empty_like(places)
        order[places] = torch.arange(len(places))
        return order

    def places(self, *, backward: bool) -> Tensor:
        """(n_tokens,): the packed row of each flat row, the inverse of `order`."""
        return torch.from_numpy(self._firsts[self.token_steps(backward=backward)] + self.token_rows())


def _deal(lengths: Indices, most_rows: int | None) -> tuple[Indices, Indices]:
    """Row and first step of each sentence; rows are numbered by falling length."""
    longest_first = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    n_rows = most = len(longest_first)
    if most_rows is not None and n_rows:
        # No row can end before the longest sentence does: more rows than fill that time would only end early.
        steps = max(int(lengths.max()), -(-int(lengths.sum()) // most_rows))
        # Most steps have all rows: these should be a number that matrix products like.
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
    """The next number of rows of which a product costs nothing extra.

    oneDNN compiles a kernel for every number of rows that it meets, and keeps it: few numbers may occur, or memory
    grows for a long time. Up to 256 rows there are 17 of them.
    """
    if n <= 8:
        power = 1
        while power < n:
            power *= 2
        return power
    step = 8 if n <= 32 else 16 if n <= 128 else 32 if n <= 512 else 128
    return -(-n // step) * step
