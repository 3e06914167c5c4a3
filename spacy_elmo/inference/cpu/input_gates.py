"""Input projections of an LSTM layer: the part of its gates that does not wait for the step before.

Two ways to hand them out, step by step. Both compute them for several steps at a time: one tall product reads the
weights once.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..schedule import Step
from .linear import Linear

# Rows that one product is made of, unless a single step has more: of more rows, each number of the weights is used
# more often for being read once. Not many more: what the system gives anew each time, from 32 MiB on, costs more.
WINDOW_ROWS = 256
# Word types of a batch whose projections are kept while it runs: 64 KiB each in the original model.
MOST_TYPES = 1024
# A multiple of so many is kept.
KEPT_STEP = 128


class Inputs(NamedTuple):
    """rows: (n_rows, P). numbers: (n_tokens,), which of them each packed row is; None: they are packed rows."""

    rows: Tensor
    numbers: Tensor | None


class Window(NamedTuple):
    """Steps that follow each other, and where the gates of their inputs stand.

    gates: (n, 4C). slots: (n_rows of the window,), which of them each packed row has; None: its own.
    """

    steps: Sequence[Step]
    gates: Tensor
    slots: Tensor | None


def input_gates(linear: Linear, inputs: Inputs, steps: Sequence[Step]) -> Iterator[Window]:
    """The way that suits: rows that occur again are projected once."""
    if inputs.numbers is None:
        return _project_all(linear, inputs.rows, steps)
    return _RepeatedGates(linear, inputs.rows, inputs.numbers, steps).windows()


def _project_all(linear: Linear, rows: Tensor, steps: Sequence[Step]) -> Iterator[Window]:
    """Every packed row is projected. rows: (n_tokens, P), packed."""
    for window in windows(steps, [step.size for step in steps]):
        first, end = _get_span(window)
        yield Window(window, linear(linear.prepare(rows[first:end])), None)


class _RepeatedGates:
    """The most frequent rows are projected once and copied, the others as they come.

    rows: (n_rows, P). numbers: (n_tokens,), which of them each packed row is.
    """

    def __init__(self, linear: Linear, rows: Tensor, numbers: Tensor, steps: Sequence[Step]):
        self._linear = linear
        self._rows = rows
        self._numbers = numbers
        self._steps = steps
        counts, frequent = torch.bincount(numbers, minlength=len(rows)).topk(min(MOST_TYPES, len(rows)))
        frequent = frequent[: int((counts > 1).sum()) // KEPT_STEP * KEPT_STEP]
        self._n_kept = len(frequent)
        slot = torch.full((len(rows),), -1, dtype=torch.int64)
        slot[frequent] = torch.arange(self._n_kept)
        # Where each packed row's projection stands: among those kept, or, once computed, behind them.
        self._slots = slot[numbers]
        self._is_new = self._slots < 0
        self._n_new = [int(n) for n in self._count(steps)]
        n_rows = self._n_kept + max([WINDOW_ROWS, *self._n_new])
        self._gates = torch.empty(n_rows, linear.n_outputs, dtype=linear.dtype)
        if self._n_kept:
            self._gates[: self._n_kept] = linear(linear.prepare(rows[frequent]))

    def windows(self) -> Iterator[Window]:
        for window in windows(self._steps, self._n_new):
            first, last = _get_span(window)
            new = first + torch.nonzero(self._is_new[first:last]).squeeze(1)
            if len(new):
                end = self._n_kept + len(new)
                rows = self._rows[self._numbers[new]]
                self._gates[self._n_kept : end] = self._linear(self._linear.prepare(rows))
                self._slots[new] = torch.arange(self._n_kept, end)
            yield Window(window, self._gates, self._slots[first:last])

    def _count(self, steps: Sequence[Step]) -> Tensor:
        """New rows of each step."""
        sums = torch.cat([torch.zeros(1, dtype=torch.int64), self._is_new.cumsum(0)])
        ends = torch.tensor([(step.first, step.first + step.size) for step in steps], dtype=torch.int64)
        return sums[ends.reshape(-1, 2)].diff(dim=1).squeeze(1)


def _get_span(window: Sequence[Step]) -> tuple[int, int]:
    """Packed rows of a window: the first one, and the end."""
    return window[0].first, window[-1].first + window[-1].size


def windows(steps: Sequence[Step], weights: Sequence[int]) -> Iterator[list[Step]]:
    """Runs of steps whose weights add up to WINDOW_ROWS at most, and at least one step."""
    window: list[Step] = []
    total = 0
    for step, weight in zip(steps, weights):
        if window and total + weight > WINDOW_ROWS:
            yield window
            window, total = [], 0
        window.append(step)
        total += weight
    if window:
        yield window
