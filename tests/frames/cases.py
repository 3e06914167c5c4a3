"""Texts with their sentences and tokens, and what `predict` makes of them."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import spacy_elmo
from spacy_elmo.bilm.layers import LayerOutputs, Layers
from spacy_elmo.elmo import Elmo, Sentences
from spacy_elmo.frames.choices import Unit
from spacy_elmo.frames.prediction import predict
from tests.data import TINY

VECTORS = "word_embedding_elmo"
TEXTS = ["I love NLP. It is \U0001f600 fun!", "", "This day sucks", " \n"]
# The tokens of each sentence of each text.
TOKENS: list[list[list[str]]] = [
    [["I", "love", "NLP", "."], ["It", "is", "\U0001f600", "fun", "!"]],
    [],
    [["This", "day", "sucks"]],
    [],
]
SENTENCES: list[list[str]] = [["I love NLP.", "It is \U0001f600 fun!"], [], ["This day sucks"], []]
# The text of each row.
ROWS: dict[str, list[int]] = {
    "token": [0] * 9 + [1, 2, 2, 2, 3],
    "sentence": [0, 0, 1, 2, 3],
    "document": [0, 1, 2, 3],
}


@cache
def tiny_elmo() -> Elmo:
    return spacy_elmo.load(TINY)


def embed(elmo: Elmo, layer: Any = "elmo") -> list[list[np.ndarray]]:
    """The vectors of each sentence of TOKENS."""
    return [[output[layer] for output in elmo.embed(sentences, layers=[layer])] for sentences in TOKENS]


def assert_cells(cells: Any, expected: list[Any], atol: float = 1e-6) -> None:
    assert len(cells) == len(expected)
    for cell, array in zip(cells, expected):
        if array is None:
            assert isinstance(cell, float)
            assert np.isnan(cell)
        else:
            assert cell.dtype == np.float32
            assert cell.shape == array.shape
            np.testing.assert_allclose(cell, array, atol=atol)


def expect_cells(elmo: Elmo, level: str, layer: Any = "elmo") -> list[Any]:
    """What stands in the column of vectors, for TEXTS."""
    texts = embed(elmo, layer)
    nothing = np.zeros((0, elmo.width(layer)), dtype="float32")
    if level == "token":
        return [row for text in texts for row in (np.concatenate(text) if text else [None])]
    if level == "sentence":
        return [array for text in texts for array in (text or [nothing])]
    return [np.concatenate(text) if text else nothing for text in texts]


class Wide:
    """An embedder of wide layers that takes no time."""

    def width(self, layer: str) -> int:
        return 1024

    def stream(self, sentences: Sentences, *, layers: Layers = "*") -> Iterator[LayerOutputs]:
        for sentence in sentences:
            yield LayerOutputs({"elmo": np.ones((len(sentence), 1024), dtype="float32")}, n_layers=2)


def predict_wide(texts: list[str], level: Unit, pooling: str | None = None) -> pd.DataFrame:
    return predict(
        Wide(), texts, output_level=level, pooling_layer="elmo", positions=False, metadata=False, column="v",
        pooling=pooling, nlp="blank:en",
    )  # fmt: skip
