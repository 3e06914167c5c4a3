"""What flows between the embedder's Thinc nodes."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np

from ..bilm.layers import LayerOutputs

# Gradients of layers, name -> (n_tokens, width), go in; what they teach stays where it is learnt.
Backprop = Callable[[Dict[str, Any]], None]


@dataclass(frozen=True)
class ElmoOutput:
    """docs: one LayerOutputs per Doc, in order; arrays are (len(doc), width), float32, numpy, each owning its
    memory. Whitespace tokens, and tokens outside all spans, have rows of zeros."""

    docs: List[LayerOutputs]


@dataclass(frozen=True)
class FlatLayers:
    """Layers of a batch of Docs in training: their tokens one after the other.

    arrays: name -> (n_tokens, width), float32. lengths: tokens of each Doc. n_layers: LSTM layers of the model.
    backprop: takes gradients of the layers; None if nothing below learns.
    """

    arrays: Dict[str, Any]
    lengths: List[int]
    n_layers: int
    backprop: Optional[Backprop] = None

    def of_docs(self, index: Sequence[int]) -> "FlatLayers":
        """The layers of these Docs, in this order; gradients flow into their rows."""
        if list(index) == list(range(len(self.lengths))):
            return self
        rows = self.rows(index)
        below = self.backprop

        def backprop(gradients: Dict[str, Any]) -> None:
            assert below is not None
            whole = {}
            for name, gradient in gradients.items():
                whole[name] = np.zeros_like(self.arrays[name])
                # A Doc may have been asked for twice.
                np.add.at(whole[name], rows, to_numpy(gradient))
            below(whole)

        return FlatLayers(
            {name: array[rows] for name, array in self.arrays.items()},
            [self.lengths[i] for i in index],
            self.n_layers,
            None if below is None else backprop,
        )

    def rows(self, index: Sequence[int]) -> Any:
        """(n,), int64: the rows of these Docs."""
        ends = np.cumsum(self.lengths)
        parts = [np.arange(ends[i] - self.lengths[i], ends[i]) for i in index]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def docs(self, names: Sequence[str]) -> List[LayerOutputs]:
        """The same as one LayerOutputs per Doc, each array owning its memory."""
        ends = np.cumsum(self.lengths)
        return [
            LayerOutputs(
                {name: self.arrays[name][end - length : end].copy() for name in names}, n_layers=self.n_layers
            )
            for end, length in zip(ends, self.lengths)
        ]


def flatten(docs: Sequence[LayerOutputs], names: Sequence[str]) -> FlatLayers:
    """Layers of Docs, one at least, as a batch from which nothing below learns."""
    arrays = {name: np.concatenate([to_numpy(getattr(doc, name)) for doc in docs]) for name in names}
    lengths = [len(getattr(doc, names[0])) for doc in docs]
    return FlatLayers(arrays, lengths, docs[0].n_layers)


def to_numpy(array: Any) -> Any:
    """The array on the CPU."""
    return array.get() if hasattr(array, "get") else array
