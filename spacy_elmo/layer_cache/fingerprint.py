"""What the layers in a file depend on."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..bilm.layers import MIXED, LayerName, LayerOutputs, Layers
from ..bilm.options import Options
from ..util.hashes import hash_arrays
from ..weights.arrays import encoder_shapes, warm_state_shapes

# Part of every file's name. It increases when the layout of the files changes, or when the same weights give other
# layers than before: old files are then left alone.
FORMAT = 1


class RunSettings(Protocol):
    """The settings of an Elmo that its layers depend on.

    precision (str): Of the computation.
    initial_state (str): Where sentences start.
    """

    @property
    def precision(self) -> str: ...

    @property
    def initial_state(self) -> str: ...


class EmbeddingModel(Protocol):
    """The part of an Elmo that the cache uses.

    options (Options): Of the biLM.
    settings (RunSettings): How it is run.
    source (str): Where its weights are from.
    n_layers (int): LSTM layers.
    layer_names (list[LayerName]): All layers, lowest first.
    """

    @property
    def options(self) -> Options: ...

    @property
    def settings(self) -> RunSettings: ...

    @property
    def source(self) -> str: ...

    @property
    def n_layers(self) -> int: ...

    @property
    def layer_names(self) -> list[LayerName]: ...

    def width(self, layer: str) -> int:
        """Get the width of a layer.

        layer (str): The layer.
        RETURNS (int): The number of columns.
        """

    def embed(self, sentences: Iterable[Sequence[str]], *, layers: Layers = ...) -> list[LayerOutputs]:
        """Embed tokenized sentences.

        sentences (Iterable[Sequence[str]]): Token texts.
        layers (Layers): "*" or a list of names.
        RETURNS (list[LayerOutputs]): One for each sentence.
        """

    def named_arrays(self) -> Mapping[str, NDArray[np.floating]]:
        """Get the weights.

        RETURNS (Mapping[str, NDArray]): The arrays by their names.
        """


def list_cached_layers(elmo: EmbeddingModel) -> list[LayerName]:
    """List the layers that are stored: all but the mix, which is computed from them and may be trained.

    elmo (EmbeddingModel): The model.
    RETURNS (list[LayerName]): Lowest first.
    """
    return [name for name in elmo.layer_names if name != MIXED]


def describe_layers(elmo: EmbeddingModel, *, dtype: str) -> dict[str, object]:
    """Describe what stored numbers depend on. This includes neither the mix nor the device: results differ between
    processors by as little as between batches.

    elmo (EmbeddingModel): The model.
    dtype (str): Of the stored numbers.
    RETURNS (dict[str, object]): JSON.
    """
    return {
        "format": FORMAT,
        "dtype": dtype,
        "weights": weights_digest(elmo),
        "options": elmo.options.to_dict(),
        "precision": elmo.settings.precision,
        "initial_state": elmo.settings.initial_state,
    }


def make_key(description: Mapping[str, object]) -> str:
    """Make a name for files.

    description (Mapping[str, object]): What `describe_layers` returns.
    RETURNS (str): 32 hexadecimal digits.
    """
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def weights_digest(elmo: EmbeddingModel) -> str:
    """Hash the biLM's arrays, and the warm state if sentences start from it.

    elmo (EmbeddingModel): The model.
    RETURNS (str): SHA-256, in hexadecimal digits.
    """
    names = list(encoder_shapes(elmo.options))
    if elmo.settings.initial_state == "warm":
        names += warm_state_shapes(elmo.options)
    digest = hashlib.sha256()
    hash_arrays(digest, elmo.named_arrays(), names)
    return digest.hexdigest()
