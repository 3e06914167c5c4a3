"""From rows of tokens to padded tensors, and what the module returns."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ElmoKeyError, Errors
from ..gpu.transfer import to_device
from ..inference.base import N_BOUNDARIES
from ..inference.sentences import find_token_rows


class ElmoOutputs(NamedTuple):
    """What `ElmoModule` returns. Rows of padding are zeros. With `keep_boundaries`, `longest` and `lengths` count
    the boundary tokens, too.

    mixes (list[Tensor]): One for each mix, (batch, longest, 2P).
    layers (Mapping[str, Tensor]): word_emb, (batch, longest, P), lstm_outputs1, ..., (batch, longest, 2P). Each is
        padded when it is first asked for.
    mask (Tensor): (batch, longest), bool; true for tokens.
    lengths (Tensor): (batch,), int64; tokens of each sentence.
    """

    mixes: list[Tensor]
    layers: Mapping[str, Tensor]
    mask: Tensor
    lengths: Tensor


class Padding:
    """The places of a batch's tokens in padded tensors.

    lengths (NDArray[np.int64]): Tokens of each sentence, (batch,).
    longest (int): Tokens to pad sentences to.
    device (torch.device): Where the tensors are.
    has_boundaries (bool): Whether layers have rows for boundary tokens.
    keeps_boundaries (bool): Whether padded tensors have them, too.
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        longest: int,
        *,
        device: torch.device,
        has_boundaries: bool,
        keeps_boundaries: bool,
    ):
        self._device = device
        # The rows that are shown, of layers that have more.
        self._hides = has_boundaries and not keeps_boundaries
        self._n_rows: NDArray[np.int64] = lengths + N_BOUNDARIES
        self._lengths = self._n_rows if keeps_boundaries else lengths
        self._longest = longest + (N_BOUNDARIES if keeps_boundaries else 0)

    @cached_property
    def lengths(self) -> Tensor:
        """(batch,), int64."""
        return to_device(self._lengths, self._device)

    @cached_property
    def mask(self) -> Tensor:
        """(batch, longest), bool."""
        return torch.arange(self._longest, device=self._device) < self.lengths.unsqueeze(1)

    def show(self, rows: Tensor) -> Tensor:
        """Leave out rows of boundary tokens that are not shown.

        rows (Tensor): (n_rows, width).
        RETURNS (Tensor): (n_shown, width).
        """
        return rows.index_select(0, self._shown) if self._hides else rows

    def pad(self, rows: Tensor) -> Tensor:
        """Pad sentences with rows of zeros.

        rows (Tensor): (n_shown, width), sentence after sentence.
        RETURNS (Tensor): (batch, longest, width).
        """
        shape = (len(self._lengths), self._longest, rows.size(1))
        if rows.size(0) == shape[0] * shape[1]:
            return rows.reshape(shape)
        padded = rows.new_zeros(shape[0] * shape[1], rows.size(1))
        return padded.index_copy_(0, self._places, rows).view(shape)

    @cached_property
    def _shown(self) -> Tensor:
        return to_device(find_token_rows(self._n_rows.tolist()), self._device)

    @cached_property
    def _places(self) -> Tensor:
        places = np.flatnonzero(np.arange(self._longest) < self._lengths[:, None])
        return to_device(places, self._device)


class PaddedLayers(Mapping[str, Tensor]):
    """Layers that are padded when they are first asked for.

    rows (Mapping[str, Tensor]): By name, (n_rows, width).
    padding (Padding): Pads them.
    """

    def __init__(self, rows: Mapping[str, Tensor], padding: Padding):
        self._rows = rows
        self._padding = padding
        self._padded: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._rows:
            raise ElmoKeyError(Errors.EL874.format(got=name, allowed=", ".join(self._rows)))
        if name in self._padded:
            return self._padded[name]
        rows = self._rows[name]
        padded = self._padding.pad(self._padding.show(rows))
        # What was padded without gradients must not be in a loss later.
        if padded.requires_grad == rows.requires_grad:
            self._padded[name] = padded
        return padded

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"PaddedLayers({', '.join(self)})"
