"""`Elmo.predict` over data frames of Spark."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import spacy

import spacy_elmo
from spacy_elmo.elmo import Elmo
from tests.extras import is_installed
from tests.published import put_in_cache

if is_installed("pyspark"):
    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, FloatType, StringType

    from spacy_elmo.spark.predict_frame import Prediction, predict_batches

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.needs("pyspark")

TEXTS = ["I love NLP. You 😀 too!", "", None, "This day sucks"]


@pytest.fixture(scope="module")
def frame(spark: "SparkSession") -> "DataFrame":
    """With a name that has a dot, a null and a nested type."""
    rows = [(text, [{"x": i}], None if i == 1 else i) for i, text in enumerate(TEXTS)]
    types = "text string, nested array<struct<x: int>>, `a.b` int"
    frame = spark.createDataFrame(rows, types).withColumn("time", F.current_timestamp())
    return frame.select("text", "nested", F.col("`a.b`").alias("a.b", metadata={"key": "value"}), "time")


ARGUMENTS_OF_PREDICT: dict[str, Any] = {
    "output_level": "token", "column": "vectors", "nlp": "blank:en", "positions": False, "metadata": False,
}  # fmt: skip
ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"output_level": "token", "positions": True, "metadata": True, "column": "vectors"},
    {"output_level": "sentence", "pooling_layer": "word_emb", "metadata": True},
    {"output_level": "sentence", "pooling": "average", "positions": True},
    {"output_level": "document", "metadata": True, "positions": True},
    {"output_level": "document", "pooling": "sum", "nlp": "tokenizer:en"},
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_same_as_pandas(elmo: Elmo, frame: "DataFrame", arguments: dict[str, Any]) -> None:
    """Rows, columns and values; only an index is nothing that Spark has. The input's type is the output's."""
    result = elmo.predict(frame, **arguments)
    assert isinstance(result, DataFrame)
    expected = elmo.predict(pd.DataFrame({"text": TEXTS, "nested": 1, "a.b": 1, "time": 1}), **arguments)
    names = [name for name in expected.columns if name != "origin_index"]
    assert result.columns == names
    assert result.schema["nested"].dataType == frame.schema["nested"].dataType
    assert result.schema["a.b"].metadata == {"key": "value"}
    rows = result.collect()
    assert len(rows) == len(expected)
    origin = [TEXTS.index(row["text"]) for row in rows]
    assert [row["nested"][0]["x"] for row in rows] == origin == expected.index.tolist()
    for name in {*names} - {"text", "nested", "a.b", "time"}:
        for row, cell in zip(rows, expected[name]):
            if isinstance(cell, np.ndarray):
                np.testing.assert_allclose(np.reshape(row[name], cell.shape), cell, atol=1e-5)
            else:
                assert row[name] is None if isinstance(cell, float) else row[name] == cell


def test_made_state(spark: "SparkSession", tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers know nothing of the source: they get the state that was made for it."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path))
    elmo = spacy_elmo.load(put_in_cache(tiny), initial_state="warm")
    [row] = elmo.predict(spark.createDataFrame([("This day sucks",)], "text string"), "document").collect()
    expected = elmo.predict(pd.DataFrame({"text": ["This day sucks"]}), "document")
    [name] = [column for column in expected.columns if column.startswith("word_embedding")]
    np.testing.assert_allclose(row[name], expected[name].iloc[0], atol=1e-5)


def test_first_column(elmo: Elmo, spark: "SparkSession") -> None:
    """NLU's own test: frames without a column `text`."""
    frame = spark.createDataFrame([("I love this day", 1), ("I dont like Sami", 2)], "comment string, n int")
    rows = elmo.predict(frame).collect()
    assert [(row.token, row.n) for row in rows] == [
        *((token, 1) for token in ("I", "love", "this", "day")),
        *((token, 2) for token in ("I", "do", "nt", "like", "Sami")),
    ]


def test_names_that_occur_twice(elmo: Elmo, spark: "SparkSession") -> None:
    """As after a join: no column is lost."""
    frame = spark.createDataFrame([("Hi", 1, 2)], "text string, x int, y int").toDF("text", "x", "x")
    result = elmo.predict(frame, "document")
    assert result.columns == ["document", "text", "word_embedding_elmo", "x", "x"]
    assert [tuple(row)[-2:] for row in result.collect()] == [(1, 2)]


def test_errors(elmo: Elmo, frame: "DataFrame") -> None:
    """Before Spark computes anything."""
    with pytest.raises(ValueError, match=r"EL860.*got an object of type English"):
        elmo.predict(frame, nlp=spacy.blank("en"))
    with pytest.raises(ValueError, match="EL031"):
        elmo.predict(frame, pooling_layer="lstm_outputs7")
    for name in ("token", "Token"):
        with pytest.raises(ValueError, match=rf"EL861.*'{name}' and 'token'"):
            elmo.predict(frame.withColumn(name, F.lit(1)))
    with pytest.raises(ValueError, match=r"EL808.*no text in the column 'n', which is of type int"):
        elmo.predict(frame.select(F.lit(1).alias("n")))
    with pytest.raises(ValueError, match=r"EL808.*in the column 'text'.*Rename it to something else, and then"):
        elmo.predict(frame.select(F.lit(1).alias("text")))
    with pytest.raises(ValueError, match=r"EL808.*has no columns"):
        elmo.predict(frame.select())


def test_long_texts(elmo: Elmo, spark: "SparkSession") -> None:
    """What is repeated for each token makes batches smaller, so that memory stays bounded."""
    text = "word " * 3000
    prediction = Prediction(
        model="", settings=elmo.settings, arguments=ARGUMENTS_OF_PREDICT, text=0,
        types={"token": StringType(), "vectors": ArrayType(FloatType())},
    )  # fmt: skip
    batch = pa.RecordBatch.from_arrays([pa.array([text, "Hi"])], names=["kept0"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacy_elmo.spark.predict_frame.load_model", lambda name, settings: elmo)
        patch.setattr("spacy_elmo.spark.predict_frame.BATCH_VALUES", 100_000)
        batches = list(predict_batches(iter([batch]), prediction=prediction))
    assert sum(len(one) for one in batches) == 3001
    assert len(batches) > 50
    assert max(one.nbytes for one in batches) < 1_000_000


def test_trained_model(elmo: Elmo, frame: "DataFrame") -> None:
    """The weights that are sent are those of the model, not of its source."""
    with_mix = elmo.predict(frame).first()
    elmo.mix.weights.data[0] = 5.0
    changed = elmo.predict(frame).first()
    assert with_mix is not None
    assert changed is not None
    expected = elmo.embed([["I", "love", "NLP", "."]])[0].elmo[0]
    np.testing.assert_allclose(changed.word_embedding_elmo, expected, atol=1e-6)
    assert np.abs(np.subtract(changed.word_embedding_elmo, with_mix.word_embedding_elmo)).max() > 1e-3
