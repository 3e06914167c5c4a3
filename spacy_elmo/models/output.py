"""The data that the embedder's Thinc nodes exchange: layers of Docs, and layers of a flat training batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from thinc.api import get_array_module
from thinc.backends import get_array_ops
from thinc.types import Floats2d, Ints1d

from ..bilm.layers import LayerOutputs
from .doc_layers import Hashes
from .ops_arrays import copy_rows, move_like, to_numpy

# Arrays of layers or of their gradients, (n_tokens, width), by the layers' names.
LayerArrays = dict[str, Floats2d]
# Takes gradients of layers, and adds to the gradients of the parameters below.
Backprop = Callable[[LayerArrays], None]


@dataclass(frozen=True)
class ElmoOutput:
    """The layers of a batch of Docs.

    docs (list[LayerOutputs]): One for each Doc, in order; arrays are (len(doc), width), float32, of numpy unless
        they were requested on the GPU. Whitespace tokens, and tokens outside all spans, have rows of zeros. An
        array shares memory with at most 8 MiB of other Docs' numbers.
    tensors (list[Floats2d] | None): An array of the model's Ops for each Doc, to become doc.tensor, which is used
        nowhere else; None: it has to be made from the layers.
    hashes (list[Hashes] | None): The hashes of each Doc's tokens as they were read, (len(doc),), uint64; None:
        unknown.
    """

    docs: list[LayerOutputs]
    tensors: list[Floats2d] | None = None
    hashes: list[Hashes] | None = None


@dataclass(frozen=True)
class FlatLayers:
    """Layers of a batch of Docs in training: their tokens one after the other.

    arrays (LayerArrays): By name, (n_tokens, width), float32, all on the CPU or all on the GPU.
    lengths (list[int]): Tokens of each Doc.
    n_layers (int): LSTM layers of the model.
    backprop (Backprop | None): Takes gradients of the layers, on the CPU or on the GPU; None: nothing below
        learns.
    """

    arrays: LayerArrays
    lengths: list[int]
    n_layers: int
    backprop: Backprop | None = None

    def select_docs(self, index: Sequence[int]) -> "FlatLayers":
        """Select Docs of the batch. Gradients of the selection flow into their rows.

        index (Sequence[int]): The numbers of the Docs, in any order; one may occur again.
        RETURNS (FlatLayers): Their layers, in this order.
        """
        if list(index) == list(range(len(self.lengths))):
            return self
        rows = self.rows(index)
        below = self.backprop

        def backprop(gradients: LayerArrays) -> None:
            assert below is not None
            whole: LayerArrays = {}
            for name, gradient in gradients.items():
                like = self.arrays[name]
                whole[name] = get_array_module(like).zeros_like(like)
                # Added up, since a Doc may have been selected twice.
                get_array_ops(like).scatter_add(whole[name], move_like(rows, like), move_like(gradient, like))
            below(whole)

        return FlatLayers(
            {name: array[move_like(rows, array)] for name, array in self.arrays.items()},
            [self.lengths[i] for i in index],
            self.n_layers,
            None if below is None else backprop,
        )

    def rows(self, index: Sequence[int]) -> Ints1d:
        """Find the rows of Docs.

        index (Sequence[int]): The numbers of the Docs.
        RETURNS (Ints1d): (n_rows,), int64.
        """
        ends = np.cumsum(self.lengths)
        parts = [np.arange(ends[i] - self.lengths[i], ends[i]) for i in index]
        return cast(Ints1d, np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64))

    def docs(self, names: Sequence[str]) -> list[LayerOutputs]:
        """Split the layers by Doc, on the CPU.

        names (Sequence[str]): The layers to return.
        RETURNS (list[LayerOutputs]): One for each Doc, in order; each array is in separate memory.
        """
        owned = {name: copy_rows(to_numpy(self.arrays[name]), self.lengths) for name in names}
        return [
            LayerOutputs({name: arrays[i] for name, arrays in owned.items()}, n_layers=self.n_layers)
            for i in range(len(self.lengths))
        ]


def flatten(docs: Sequence[LayerOutputs], names: Sequence[str]) -> FlatLayers:
    """Join layers of Docs to a batch without a backward pass.

    docs (Sequence[LayerOutputs]): The layers of each Doc; at least one.
    names (Sequence[str]): The layers to join.
    RETURNS (FlatLayers): The batch.
    """
    arrays: LayerArrays = {}
    for name in names:
        parts = [getattr(doc, name) for doc in docs]
        on_gpu = [part for part in parts if get_array_module(part) is not np]
        # Docs that were stored come back on the CPU; if one is there, all move there.
        all_on_gpu = len(on_gpu) == len(parts)
        xp = get_array_module(parts[0]) if all_on_gpu else np
        arrays[name] = xp.concatenate(parts if all_on_gpu else [*map(to_numpy, parts)])
    lengths = [len(getattr(doc, names[0])) for doc in docs]
    return FlatLayers(arrays, lengths, docs[0].n_layers)
