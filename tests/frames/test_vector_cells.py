"""The vectors in the cells of a frame."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.frames.choices import UNITS, Unit
from tests.data import TINY
from tests.frames.cases import TEXTS, VECTORS, assert_cells, expect_cells, predict_wide


@pytest.mark.parametrize("layer", ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"])
@pytest.mark.parametrize("level", UNITS)
def test_vectors(elmo: Elmo, level: Unit, layer: Any) -> None:
    result = elmo.predict(TEXTS, level, pooling_layer=layer)
    assert list(result.columns) == sorted([level, VECTORS])
    assert_cells(result[VECTORS], expect_cells(elmo, level, layer))


@pytest.mark.parametrize("level", ["sentence", "document"])
@pytest.mark.parametrize(("pooling", "pool"), [("average", np.mean), ("SUM", np.sum)])
def test_pooling(elmo: Elmo, level: Unit, pooling: str, pool: Callable[..., np.ndarray]) -> None:
    arrays = [pool(array, axis=0, dtype="float64") if len(array) else None for array in expect_cells(elmo, level)]
    assert_cells(elmo.predict(TEXTS, level, pooling=pooling)[VECTORS], arrays)


def test_pooling_of_long_texts(elmo: Elmo) -> None:
    """The sum is as exact as in float64."""
    words = "the cat sat on a mat and saw that it was flat " * 400
    array = elmo.predict([words], "document", nlp="tokenizer:en")[VECTORS][0]
    pooled = elmo.predict([words], "document", nlp="tokenizer:en", pooling="average")[VECTORS][0]
    np.testing.assert_array_equal(pooled, array.mean(axis=0, dtype="float64").astype("float32"))


def test_dtype_of_the_model() -> None:
    exact = spacy_elmo.load(TINY, precision="fp64")
    for level, pooling in (("token", None), ("sentence", None), ("document", None), ("document", "sum")):
        result = exact.predict(["a b", ""], level, pooling=pooling)
        assert {cell.dtype.name for cell in result[VECTORS] if not isinstance(cell, float)} == {"float64"}


def test_cells_do_not_share_numbers(elmo: Elmo) -> None:
    """One cell can be changed or kept without the others."""
    result = elmo.predict("one two. three four.")
    first = result[VECTORS].iloc[0]
    for i, cell in enumerate(result[VECTORS]):
        cell[:] = i
    assert [cell.tolist() == [i] * len(cell) for i, cell in enumerate(result[VECTORS])] == [True] * 6
    # No more than its sentence stays in memory.
    assert first.base.shape == (3, 16)


def test_memory_of_pooled_vectors() -> None:
    """The vectors of tokens are not kept until the end."""
    texts = ["one two three four five six seven eight nine ten " * 20] * 100
    tracemalloc.start()
    try:
        result = predict_wide(texts, "document", "average")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result["v"].map(np.sum).tolist() == [1024.0] * 100
    # All vectors of tokens: 80 MB.
    assert peak < 20e6
