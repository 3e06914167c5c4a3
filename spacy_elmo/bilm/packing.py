"""Pack sentences of any lengths into one time-major block without padding, for both directions."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


class Packing:
    """The order of the rows of a batch.

    A flat batch has the rows of all sentences one after the other. For the LSTMs it is packed: sentences are
    sorted by falling length, and all first tokens come first, then all second ones, and so on, so that step t
    processes the `batch_sizes[t]` unfinished sentences. The backward direction reads each sentence from its end.

    lengths (Sequence[int]): Rows of each sentence; 0 for one without rows.
    device (torch.device | None): Where the indices are; None: the CPU.
    """

    def __init__(self, lengths: Sequence[int], *, device: torch.device | None = None):
        self.device = device
        sizes = np.asarray(lengths, dtype=np.int64)
        order = np.argsort(-sizes, kind="stable")
        self._sorted_sizes = sizes[order]
        self._sorted_offsets = (np.cumsum(sizes) - sizes)[order]
        steps = np.arange(sizes.max(initial=0))
        running = len(sizes) - np.searchsorted(self._sorted_sizes[::-1], steps, side="right")
        self.batch_sizes: list[int] = running.tolist()
        self._step = np.repeat(steps, running)
        starts = np.cumsum(running) - running
        self._row = np.arange(sizes.sum()) - np.repeat(starts, running)
        self.order = self._tensor(order)

    @cached_property
    def unsort(self) -> Tensor:
        """(n_sentences,): the position of each given sentence among the sorted ones."""
        return torch.argsort(self.order)

    def pack(self, flat: Tensor, *, backward: bool) -> Tensor:
        """Pack a flat batch.

        flat (Tensor): (n_rows, width), sentence by sentence.
        backward (bool): Whether to read each sentence from its end.
        RETURNS (Tensor): (n_rows, width), step by step.
        """
        return flat.index_select(0, self._backward if backward else self._forward)

    def unpack(self, packed: Tensor, *, backward: bool) -> Tensor:
        """Unpack a batch; the inverse of `pack`.

        packed (Tensor): (n_rows, width), step by step.
        backward (bool): Whether each sentence was read from its end.
        RETURNS (Tensor): (n_rows, width), sentence by sentence.
        """
        return packed.index_select(0, self._backward_inverse if backward else self._forward_inverse)

    @cached_property
    def _forward(self) -> Tensor:
        return self._tensor(self._sorted_offsets[self._row] + self._step)

    @cached_property
    def _backward(self) -> Tensor:
        last = self._sorted_offsets + self._sorted_sizes - 1
        return self._tensor(last[self._row] - self._step)

    @cached_property
    def _forward_inverse(self) -> Tensor:
        return torch.argsort(self._forward)

    @cached_property
    def _backward_inverse(self) -> Tensor:
        return torch.argsort(self._backward)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
