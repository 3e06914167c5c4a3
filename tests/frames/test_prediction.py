"""`Elmo.predict`: index, columns and order of its frames, and what it needs."""

import subprocess
import sys
from pathlib import Path
from timeit import repeat
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import spacy

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.frames.choices import UNITS, Unit
from tests.data import TINY, Measured
from tests.frames.cases import (
    ROWS,
    TEXTS,
    VECTORS,
    assert_cells,
    expect_cells,
    predict_wide,
    tiny_elmo,
)

# What users of NLU call it with, in its own tests.
NLU_TEXTS = ["This day sucks", "I love this day", "I dont like Sami"]


@pytest.mark.parametrize("level", UNITS)
def test_kept_columns_and_index(elmo: Elmo, frame: pd.DataFrame, level: Unit) -> None:
    before = frame.copy(deep=True)
    result = elmo.predict(frame, output_level=level)
    pd.testing.assert_frame_equal(result[list(frame.columns)], frame.iloc[ROWS[level]])
    # The input is what it was, and stays so when the result is changed.
    result["more"] = 1
    result.index.name = "changed"
    result.iloc[0, list(result.columns).index(7)] = 100
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(
    "index",
    [
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("a", 1)], names=["k", "i"]),
        pd.Index([3, 3, 3, 3]),
        pd.CategoricalIndex(["u", "v", "u", "w"]),
        pd.date_range("2024-01-01", periods=4),
        pd.RangeIndex(10, 2, -2),
    ],
    ids=lambda index: type(index).__name__,
)
@pytest.mark.parametrize("level", UNITS)
def test_own_index(elmo: Elmo, index: pd.Index, level: Unit) -> None:
    for data in (pd.Series(TEXTS, index=index), pd.DataFrame({"text": TEXTS, "n": range(4)}, index=index)):
        result = elmo.predict(data, level)
        pd.testing.assert_index_equal(result.index, index.take(ROWS[level]), exact="equiv")
        assert_cells(result[VECTORS], expect_cells(elmo, level))


def test_letters_as_column_names(elmo: Elmo) -> None:
    """NLU loses columns that are letters of "text"."""
    data = pd.DataFrame({"words": NLU_TEXTS, "t": [1, 2, 3], "e": [4, 5, 6], "x": [7, 8, 9]})
    result = elmo.predict(data, output_level="document")
    assert list(result.columns) == ["document", "e", "t", "word_embedding_elmo", "words", "x"]
    pd.testing.assert_frame_equal(result[list(data.columns)], data)


@pytest.mark.parametrize("level", UNITS)
def test_texts_of_nlu(elmo: Elmo, level: Unit) -> None:
    """Its own tests run these inputs, and look at nothing that comes out."""
    expected = elmo.predict(NLU_TEXTS, level)
    assert expected.index.nunique() == 3
    more = {"cats": ["a", "b", "c"], "dogs": [1, 2, 3]}
    for data in (
        pd.Series(NLU_TEXTS),
        pd.Series(NLU_TEXTS, name="any name"),
        pd.DataFrame({"text": NLU_TEXTS}),
        pd.DataFrame({**more, "text": NLU_TEXTS}),
        pd.DataFrame({"lol": NLU_TEXTS, **more}),
    ):
        result = elmo.predict(data, level)
        pd.testing.assert_series_equal(result[level], expected[level], check_index_type=False)
        assert_cells(result[VECTORS], expected[VECTORS].tolist())
        kept = set(data.columns) if isinstance(data, pd.DataFrame) else set()
        assert {*result.columns} == {level, VECTORS} | kept
    [words] = [elmo.predict(NLU_TEXTS[0], level)]
    assert_cells(words[VECTORS], expected[VECTORS][expected.index == 0].tolist())


def test_names_of_labels(elmo: Elmo) -> None:
    """Labels need not be str, and may occur twice."""
    data = pd.DataFrame([["a b", 1, 2.0, 3]], columns=["text", 1, 2.5, 1])
    result = elmo.predict(data, "document")
    assert list(result.columns) == [1, 1, 2.5, "document", "text", VECTORS]
    assert result.iloc[0, :3].tolist() == [1, 3, 2.0]
    plain = elmo.predict(pd.DataFrame([["a b", "c"]]), "document")
    assert list(plain.columns) == [0, 1, "document", VECTORS]
    assert plain["document"].tolist() == ["a b"]


def test_nothing(elmo: Elmo) -> None:
    for level in UNITS:
        result = elmo.predict([], level, metadata=True)
        assert len(result) == 0
        assert result.dtypes.equals(elmo.predict(TEXTS, level, metadata=True).dtypes)
        kept = elmo.predict(pd.DataFrame({"text": [], "n": pd.array([], dtype="Int8")}), level)
        assert (len(kept), kept["n"].dtype) == (0, "Int8")


def test_pipelines(elmo: Elmo) -> None:
    assert elmo.predict("Good. Bad.", nlp="tokenizer:en", metadata=True)["sentence"].unique().tolist() == [
        "Good. Bad."
    ]
    assert elmo.predict("\u00bfQu\u00e9?", nlp="blank:es")["token"].tolist() == ["\u00bf", "Qu\u00e9", "?"]
    nlp = spacy.blank("en")
    whole = elmo.predict("Good. Bad.", "sentence", nlp=nlp)
    assert whole["sentence"].tolist() == ["Good. Bad."]
    np.testing.assert_allclose(whole[VECTORS][0], elmo.embed([["Good", ".", "Bad", "."]])[0].elmo, atol=1e-6)


def test_saved_pipeline(elmo: Elmo, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer", config={"punct_chars": [";"]})
    nlp.to_disk(tmp_path / "nlp")
    result = elmo.predict("Good. Bad; fine", "sentence", nlp=str(tmp_path / "nlp"))
    assert result["sentence"].tolist() == ["Good. Bad;", "fine"]


@pytest.mark.parametrize("nlp", ["blank:en", "tokenizer:en"])
def test_order_of_many_texts(elmo: Elmo, nlp: str) -> None:
    texts = [f"text number {i} . and more ." for i in range(700)]
    result = elmo.predict(texts, nlp=nlp)
    assert result.index.is_monotonic_increasing
    assert result["token"].groupby(level=0).agg(" ".join).tolist() == texts


def test_carried_state() -> None:
    elmo = spacy_elmo.load(TINY, initial_state="carry")
    with pytest.raises(ValueError, match="EL037"):
        elmo.predict("a b")


def test_without_pandas(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"EL800.*predict\(\).*pip install pandas"):
        elmo.predict("a")


def test_pandas_is_not_imported_early() -> None:
    code = f"""
import sys, spacy_elmo
elmo = spacy_elmo.load({str(TINY)!r})
elmo.embed([["a"]])
elmo("a")
print("pandas" in sys.modules)
elmo.predict("a")
print("pandas" in sys.modules, "pyspark" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue False\n"


@pytest.mark.parametrize(
    "module", ["pyspark.sql.dataframe", "pyspark.sql.connect.dataframe", "pyspark.sql.classic.dataframe"]
)
def test_frame_of_spark(elmo: Elmo, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to the room for Spark, with checked arguments."""
    calls: list[Any] = []
    room = ModuleType("spacy_elmo.spark.predict_frame")
    room.predict_frame = lambda *given, **named: calls.append((given, named)) or "a Spark frame"  # type: ignore[attr-defined, func-returns-value]
    monkeypatch.setitem(sys.modules, room.__name__, room)
    kind = type("DataFrame", (), {"__module__": module})
    data = type("Derived", (kind,), {"__module__": "elsewhere"})()
    assert elmo.predict(data, "", metadata=True, nlp="blank:de") == "a Spark frame"
    named = {
        "output_level": "token", "pooling_layer": "elmo", "positions": False, "metadata": True, "column": VECTORS,
        "pooling": None, "nlp": "blank:de",
    }  # fmt: skip
    assert calls == [((elmo, data), named)]
    with pytest.raises(ValueError, match="EL803"):
        elmo.predict(data, "no")
    # A row of Spark is a tuple, and no frame.
    row = type("Row", (tuple,), {"__module__": "pyspark.sql.types"})(["a"])
    assert elmo.predict(row)["token"].tolist() == ["a"]


def test_one_text_is_fast(measured: Measured) -> None:
    elmo = tiny_elmo()
    elmo.predict("I love NLP")
    seconds = min(repeat(lambda: elmo.predict("I love NLP"), number=1, repeat=30))
    measured(f"predict of one text: {1000 * seconds:.1f} ms")
    # Users of other programs wait for 100 ms.
    assert seconds < 0.03


def test_building_is_fast(measured: Measured) -> None:
    texts = ["one two three four five six seven eight nine ten ."] * 400
    predict_wide(texts, "token")
    seconds = min(repeat(lambda: predict_wide(texts, "token"), number=1, repeat=3))
    microseconds = 1e6 * seconds / (11 * len(texts))
    measured(f"splitting and building a frame: {microseconds:.1f} \u00b5s per token")
    assert microseconds < 100
