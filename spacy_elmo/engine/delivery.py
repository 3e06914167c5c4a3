"""How layers leave an engine: as numpy arrays, sentence by sentence."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from torch import Tensor

from ..bilm.layers import LayerOutputs


class Delivery(Protocol):
    """Brings layers to the CPU. ahead: batches that may well be on the way together."""

    ahead: int

    def send(
        self, layers: Mapping[str, Tensor], lengths: Sequence[int], *, n_layers: int
    ) -> Callable[[], list[LayerOutputs]]:
        """layers: (n_tokens, width) each, sentence after sentence. lengths: tokens of each sentence.
        n_layers: LSTM layers of the model.
        RETURNS: a function that waits, and gives the outputs of each sentence; to be called once."""
        ...


class InPlace:
    """For engines on the CPU, whose layers are there already. ahead: see `Delivery`."""

    def __init__(self, *, ahead: int = 0):
        self.ahead = ahead

    def send(
        self, layers: Mapping[str, Tensor], lengths: Sequence[int], *, n_layers: int
    ) -> Callable[[], list[LayerOutputs]]:
        arrays = {name: layer.numpy() for name, layer in layers.items()}
        outputs, start = [], 0
        for length in lengths:
            end = start + length
            # Copies, so that one kept sentence does not keep its whole batch alive.
            own = {name: array[start:end].copy() for name, array in arrays.items()}
            outputs.append(LayerOutputs(own, n_layers=n_layers))
            start = end
        return lambda: outputs
