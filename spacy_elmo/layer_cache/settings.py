"""The settings of the cache, and what the layers in a file depend on."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..bilm.layers import MIXED, LayerName, LayerOutputs, Layers
from ..bilm.options import Options
from ..errors import ElmoError, Errors
from ..util.files import hash_arrays
from ..weights.arrays import encoder_shapes, warm_state_shapes

DTYPES = ("float16", "float32")


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Where layers are stored, in what precision, and how much space they may take.

    folder (str): Created when it is first needed. Several models may share it: each has its own files.
    dtype (str): "float16", half the size, with a relative error of at most 2^-11, or an absolute one of 2^-25 for
        numbers below 2^-14; or "float32", which keeps every bit.
    max_gb (float): Largest size of the files of one model, in units of 10^9 bytes. Layers that do not fit are
        computed each time.
    RAISES (ElmoError): If a value is invalid.
    """

    folder: str
    dtype: str = "float16"
    max_gb: float = 8.0

    def __post_init__(self) -> None:
        if not isinstance(self.folder, str) or not self.folder:
            raise ElmoError(Errors.EL106.format(got=self.folder))
        if self.dtype not in DTYPES:
            allowed = ", ".join(DTYPES)
            raise ElmoError(Errors.EL030.format(what="dtype of the layer cache", got=self.dtype, allowed=allowed))
        size = self.max_gb
        if isinstance(size, bool) or not isinstance(size, Real) or not 0 < float(size) < math.inf:
            raise ElmoError(Errors.EL105.format(got=size))

    @property
    def limit(self) -> int:
        """`max_gb` in bytes."""
        return int(self.max_gb * 1e9)


def check_cache(cache: object) -> CacheSettings | None:
    """Check the layer cache of a component.

    cache (object): The component's setting.
    RETURNS (CacheSettings | None): The same; None: no cache.
    RAISES (ElmoError): If it is not from `configure_layer_cache`.
    """
    if cache is None or isinstance(cache, CacheSettings):
        return cache
    raise ElmoError(Errors.EL267.format(got=cache))


def configure_layer_cache(folder: str, dtype: str = "float16", max_gb: float = 8.0) -> CacheSettings:
    """Configure a layer cache. Registered as spacy-elmo.layer_cache.v1.

    folder (str): See `CacheSettings`.
    dtype (str): As there.
    max_gb (float): As there.
    RETURNS (CacheSettings): The settings.
    RAISES (ElmoError): If a value is invalid.
    """
    return CacheSettings(folder=folder, dtype=dtype, max_gb=max_gb)


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
        """Get the width of a layer."""

    def embed(self, sentences: Iterable[Sequence[str]], *, layers: Layers = ...) -> list[LayerOutputs]:
        """Embed tokenized sentences."""

    def named_arrays(self) -> Mapping[str, NDArray[np.floating]]:
        """Get the weights."""


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
