"""Arrow arrays of annotations."""

import numpy as np
import pytest

from tests.extras import is_installed

if is_installed("pyspark"):
    from pyspark.sql.pandas.types import to_arrow_type

    from spacy_elmo.spark import ANNOTATIONS
    from spacy_elmo.spark.annotation_arrays import ARROW_TYPE, FlatAnnotations, make_annotations, no_vectors

pytestmark = pytest.mark.needs("pyspark")


def test_content() -> None:
    flat = FlatAnnotations(
        kind="word_embeddings",
        offsets=np.array([0, 0, 2, 3]),
        begin=np.array([0, 2, 5]),
        end=np.array([0, 3, 9]),
        result=["a", "bc", "😀"],
        metadata={"sentence": ["0", "0", "1"], "pieceId": "-1"},
        values=np.arange(4, dtype=np.float32),
        value_offsets=np.array([0, 2, 2, 4]),
    )
    array = make_annotations(flat)
    array.validate(full=True)

    def annotation(begin: int, end: int, text: str, sentence: str, vector: list[float]) -> dict[str, object]:
        metadata = [("sentence", sentence), ("pieceId", "-1")]
        fields = {"begin": begin, "end": end, "result": text, "metadata": metadata, "embeddings": vector}
        return {"annotatorType": "word_embeddings", **fields}

    first = [annotation(0, 0, "a", "0", [0, 1]), annotation(2, 3, "bc", "0", [])]
    assert array.to_pylist() == [[], first, [annotation(5, 9, "😀", "1", [2, 3])]]


def test_without_any() -> None:
    values, value_offsets = no_vectors(0)
    nothing = np.zeros(0, np.int64)
    flat = FlatAnnotations(
        kind="token",
        offsets=np.zeros(3, np.int64),
        begin=nothing,
        end=nothing,
        result=[],
        metadata={"sentence": []},
        values=values,
        value_offsets=value_offsets,
    )
    assert make_annotations(flat).to_pylist() == [[], []]


def test_type_of_spark() -> None:
    assert to_arrow_type(ANNOTATIONS).equals(ARROW_TYPE)
