"""Whose layers a file holds: all that they depend on, and the file's name made of it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..bilm.layers import WORD_EMB, LayerOutputs, Layers, lstm_layer
from ..bilm.options import Options
from ..weights.arrays import encoder_shapes, warm_state_shapes

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
    arrays = elmo.named_arrays()
    names = list(encoder_shapes(elmo.options))
    if elmo.settings.initial_state == "warm":
        names += warm_state_shapes(elmo.options)
    digest = hashlib.sha256()
    for name in names:
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()
