"""What flows between the embedder's Thinc nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from thinc.api import get_array_module
from thinc.backends import get_array_ops

from ..bilm.layers import LayerOutputs
from .doc_layers import Hashes
from .ops_arrays import copy_rows, move_like, to_numpy

# Gradients of layers, name -> (n_tokens, width), go in; what they teach stays where it is learnt.
Backprop = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class ElmoOutput:
    """docs: one LayerOutputs per Doc, in order; arrays are (len(doc), width), float32, numpy unless they were
    asked for on the GPU. Whitespace tokens, and tokens outside all spans, have rows of zeros. Who keeps an array
    keeps no more than 8 MiB of other Docs' numbers.

    tensors: for each Doc an array of the model's Ops to become doc.tensor, which nobody else has; None: it is to
    be made of the layers.
    hashes: for each Doc those of the tokens that were read, (len(doc),), uint64; None: not known.
    """

    docs: list[LayerOutputs]
    tensors: list[Any] | None = None
    hashes: list[Hashes] | None = None


@dataclass(frozen=True)
class FlatLayers:
    """Layers of a batch of Docs in training: their tokens one after the other.

    arrays: name -> (n_tokens, width), float32, all on the CPU or all on the GPU. lengths: tokens of each Doc.
    n_layers: LSTM layers of the model. backprop: takes gradients of the layers, from the CPU or the GPU; None if
    nothing below learns.
    """

    arrays: dict[str, Any]
    lengths: list[int]
    n_layers: int
    backprop: Backprop | None = None

    def select_docs(self, index: Sequence[int]) -> "FlatLayers":
        """The layers of these Docs, in this order; gradients flow into their rows."""
        if list(index) == list(range(len(self.lengths))):
            return self
        rows = self.rows(index)
        below = self.backprop

        def backprop(gradients: dict[str, Any]) -> None:
            assert below is not None
            whole = {}
            for name, gradient in gradients.items():
                like = self.arrays[name]
                whole[name] = get_array_module(like).zeros_like(like)
                # A Doc may have been asked for twice.
                get_array_ops(like).scatter_add(whole[name], move_like(rows, like), move_like(gradient, like))
            below(whole)

        return FlatLayers(
            {name: array[move_like(rows, array)] for name, array in self.arrays.items()},
            [self.lengths[i] for i in index],
            self.n_layers,
            None if below is None else backprop,
        )

    def rows(self, index: Sequence[int]) -> Any:
        """(n,), int64: the rows of these Docs."""
        ends = np.cumsum(self.lengths)
        parts = [np.arange(ends[i] - self.lengths[i], ends[i]) for i in index]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def docs(self, names: Sequence[str]) -> list[LayerOutputs]:
        """Split the layers by Doc, on the CPU.

        names (Sequence[str]): Layers to give.
        RETURNS (list[LayerOutputs]): One per Doc, in order; each array owns its memory.
        """
        owned = {name: copy_rows(to_numpy(self.arrays[name]), self.lengths) for name in names}
        return [
            LayerOutputs({name: arrays[i] for name, arrays in owned.items()}, n_layers=self.n_layers)
            for i in range(len(self.lengths))
        ]


def flatten(docs: Sequence[LayerOutputs], names: Sequence[str]) -> FlatLayers:
    """Layers of Docs, one at least, as a batch from which nothing below learns."""
    arrays = {}
    for name in names:
        parts = [getattr(doc, name) for doc in docs]
        on_gpu = [part for part in parts if get_array_module(part) is not np]
        # Docs that were stored come back to the CPU; if one is there, all go there.
        arrays[name] = (
            get_array_module(parts[0]).concatenate(parts)
            if len(on_gpu) == len(parts)
            else np.concatenate([*map(to_numpy, parts)])
        )
    lengths = [len(getattr(doc, names[0])) for doc in docs]
    return FlatLayers(arrays, lengths, docs[0].n_layers)
