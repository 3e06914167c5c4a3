"""Input projections of an LSTM layer: the part of its gates that does not depend on the previous step.

They are computed for several steps at a time, so that one product reads the weights once: for all rows, or, where
rows occur again, once for each of the frequent ones.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..schedule import Step
from .linear import Linear

# Rows of a product, unless a single step has more. With more rows, weights that are read once are used more often;
# but buffers from 32 MiB on are allocated by the system each time, which costs more than that gains.
WINDOW_ROWS = 256
# The most word types of a batch whose projections are kept while it runs: 64 KiB each in the original model.
MOST_TYPES = 1024
# The number of kept projections is a multiple of this.
KEPT_STEP = 128


class Inputs(NamedTuple):
    """The inputs of a layer.

    rows (Tensor): (n_rows, P).
    numbers (Tensor | None): The row of each packed row, (n_tokens,); None: `rows` are the packed rows.
    """

    rows: Tensor
    numbers: Tensor | None


class Window(NamedTuple):
    """Consecutive steps, and the gates of their inputs.

    steps (Sequence[Step]): The steps.
    gates (Tensor): (n, 4C).
    slots (Tensor | None): The row of `gates` for each packed row of the window; None: they are in order.
    """

    steps: Sequence[Step]
    gates: Tensor
    slots: Tensor | None


def input_gates(linear: Linear, inputs: Inputs, steps: Sequence[Step]) -> Iterator[Window]:
    """Compute the input projections of a layer, window by window.

    linear (Linear): The projection.
    inputs (Inputs): The inputs of the layer.
    steps (Sequence[Step]): All steps.
    RETURNS (Iterator[Window]): The windows, in order.
    """
    if inputs.numbers is None:
        return _project_all(linear, inputs.rows, steps)
    return _RepeatedGates(linear, inputs.rows, inputs.numbers, steps).windows()


def _project_all(linear: Linear, rows: Tensor, steps: Sequence[Step]) -> Iterator[Window]:
    """Project every packed row, (n_tokens, P)."""
    for window in windows(steps, [step.size for step in steps]):
        first, end = _get_span(window)
        yield Window(window, linear(linear.prepare(rows[first:end])), None)


class _RepeatedGates:
    """Projects the most frequent rows once and copies the results; the others as they occur.

    linear (Linear): The projection.
    rows (Tensor): (n_rows, P).
    numbers (Tensor): The row of each packed row, (n_tokens,).
    steps (Sequence[Step]): All steps.
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
        # The place of each packed row's projection: among those that are kept, or behind them once it is computed.
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
        """Count the rows of each step that are not kept."""
        sums = torch.cat([torch.zeros(1, dtype=torch.int64), self._is_new.cumsum(0)])
        ends = torch.tensor([(step.first, step.first + step.size) for step in steps], dtype=torch.int64)
        return sums[ends.reshape(-1, 2)].diff(dim=1).squeeze(1)


def _get_span(window: Sequence[Step]) -> tuple[int, int]:
    """Get the first packed row of a window, and the end."""
    return window[0].first, window[-1].first + window[-1].size


def windows(steps: Sequence[Step], weights: Sequence[int]) -> Iterator[list[Step]]:
    """Split steps into windows whose weights add up to at most WINDOW_ROWS, with one step at least.

    steps (Sequence[Step]): The steps.
    weights (Sequence[int]): The weight of each step.
    YIELDS (list[Step]): Consecutive steps.
    """
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
