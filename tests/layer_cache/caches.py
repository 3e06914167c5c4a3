"""Helpers for tests of caches."""

from pathlib import Path
from typing import Any

import numpy as np

from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.layer_cache.cache import LayerCache
from spacy_elmo.layer_cache.settings import CacheSettings

LAYERS = ["word_emb", "lstm_outputs1", "lstm_outputs2"]
# The sentences of each call that a biLM got: the fixture `computed`.
Calls = list[list[list[str]]]


def assert_equal(got: list[LayerOutputs], expected: list[LayerOutputs]) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert one.names == LAYERS
        for layer, array in one.items():
            np.testing.assert_array_equal(array, getattr(other, layer))


def worst(got: list[LayerOutputs], expected: list[LayerOutputs]) -> float:
    return max(float(np.abs(a.stack() - b.stack()).max(initial=0)) for a, b in zip(got, expected))


def embed_cached(layer_cache: LayerCache, sentences: list[list[str]]) -> list[LayerOutputs]:
    """The cache's layers of each sentence."""
    flat, ends = layer_cache.embed_flat(sentences), np.cumsum([len(sentence) for sentence in sentences])
    return [
        LayerOutputs(flat, n_layers=len(flat) - 1, rows=(int(end) - len(sentence), int(end)))
        for sentence, end in zip(sentences, ends)
    ]


def other(settings: CacheSettings, **changes: Any) -> CacheSettings:
    return CacheSettings(**{**vars(settings), **changes})


def data_file(settings: CacheSettings) -> Path:
    (path,) = Path(settings.folder).glob("*.layers")
    return path
