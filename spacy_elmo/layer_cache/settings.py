"""What a user says about the cache, and all that the layers in a file depend on."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

from ..bilm.layers import WORD_EMB, LayerOutputs, Layers, lstm_layer
from ..bilm.options import Options
from ..errors import ElmoError, Errors
from ..util.files import hash_arrays
from ..weights.arrays import encoder_shapes, warm_state_shapes

DTYPES = ("float16", "float32")


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """Where layers are kept, and how much room they may take.

    folder: made when it is first needed. Several models may share it: each has files of its own.
    dtype: "float16", half the size: a number comes back within 2^-11 of itself, or within 2^-25 if it is below
        2^-14; or "float32", which keeps every bit.
    max_gb: most that the files of one model take, in units of 10^9 bytes. What no longer fits is computed each
        time that it is asked for.
    RAISES (ElmoError): For a value that is not allowed.
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
        """max_gb in bytes."""
        return int(self.max_gb * 1e9)


def check_cache(cache: Any) -> CacheSettings | None:
    """The settings of a component.

    RAISES (ElmoError): If they are neither None nor of `configure_layer_cache`.
    """
    if cache is None or isinstance(cache, CacheSettings):
        return cache
    raise ElmoError(Errors.EL267.format(got=cache))


def configure_layer_cache(folder: str, dtype: str = "float16", max_gb: float = 8.0) -> CacheSettings:
    """Registered as spacy-elmo.layer_cache.v1: see `CacheSettings`."""
    return CacheSettings(folder=folder, dtype=dtype, max_gb=max_gb)


# Part of every file's name. A higher number leaves old files alone: for another layout of the files, and also when
# the same weights come to give other layers than they did.
FORMAT = 1


class RunSettings(Protocol):
    """What layers depend on besides the weights."""

    @property
    def precision(self) -> str: ...

    @property
    def initial_state(self) -> str: ...


class Embeds(Protocol):
    """What the cache needs of an Elmo."""

    @property
    def options(self) -> Options: ...

    @property
    def settings(self) -> RunSettings: ...

    @property
    def source(self) -> str: ...

    @property
    def n_layers(self) -> int: ...

    def width(self, layer: str) -> int: ...

    def embed(self, sentences: Iterable[Sequence[str]], *, layers: Layers = ...) -> list[LayerOutputs]: ...

    def named_arrays(self) -> dict[str, Any]: ...


def cached_layers(elmo: Embeds) -> list[str]:
    """The layers that are kept, lowest first: all but the mix, which is made of them and may be trained."""
    return [WORD_EMB, *(lstm_layer(k + 1) for k in range(elmo.n_layers))]


def identity(elmo: Embeds, *, dtype: str) -> dict[str, Any]:
    """What a stored number depends on, as JSON has it. The mix is not among it, nor is the device: processors
    differ by as little as batches do."""
    return {
        "format": FORMAT,
        "dtype": dtype,
        "weights": weights_digest(elmo),
        "options": elmo.options.to_dict(),
        "precision": elmo.settings.precision,
        "initial_state": elmo.settings.initial_state,
    }


def key_of(identity: Mapping[str, Any]) -> str:
    """A name for files: 32 hexadecimal digits."""
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def weights_digest(elmo: Embeds) -> str:
    """SHA-256 of the biLM's arrays, and of the warm state where sentences start from it."""
    names = list(encoder_shapes(elmo.options))
    if elmo.settings.initial_state == "warm":
        names += warm_state_shapes(elmo.options)
    digest = hashlib.sha256()
    hash_arrays(digest, elmo.named_arrays(), names)
    return digest.hexdigest()
