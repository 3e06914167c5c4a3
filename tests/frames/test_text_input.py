"""What `predict` takes as texts."""

from collections import UserDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import spacy

from spacy_elmo.elmo import Elmo
from spacy_elmo.frames.text_input import read_input

TEXTS = ["a b", "", "c"]


class Text(str):
    __slots__ = ()


class Foreign:
    """A frame of another package."""

    def __init__(self, converted: Any):
        self._converted = converted

    def to_pandas(self) -> Any:
        return self._converted


class Modin:
    def _to_pandas(self) -> Any:
        return pd.DataFrame({"text": TEXTS}, index=[1, 2, 3])


@pytest.mark.parametrize(
    "data",
    [
        TEXTS,
        tuple(TEXTS),
        dict.fromkeys(TEXTS).keys(),
        [Text(text) for text in TEXTS],
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS)[::-1][::-1],
        pd.Index(TEXTS),
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype="category", name="token"),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="string[pyarrow]"),
        Foreign(pd.Series(TEXTS)),
        Foreign(np.array(TEXTS)),
    ],
    ids=lambda data: type(data).__name__,
)
def test_kinds(data: Any) -> None:
    texts, kept = read_input(data)
    assert texts == TEXTS
    assert {*map(type, texts)} == {str}
    assert kept.shape == (3, 0)
    assert kept.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize("data", ["a b", Text("a b"), np.str_("a b")])
def test_one_text(data: str) -> None:
    texts, kept = read_input(data)
    assert (texts, type(texts[0]), kept.index.tolist()) == (["a b"], str, [0])


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (Modin(), [1, 2, 3]),
        (Foreign(pd.DataFrame({"n": [1, 2, 3], "text": TEXTS})), [0, 1, 2]),
        (Foreign(pd.Series(TEXTS, index=[5, 6, 7])), [5, 6, 7]),
    ],
)
def test_frames_of_other_packages(elmo: Elmo, data: Any, labels: list[int]) -> None:
    result = elmo.predict(data, "document")
    assert isinstance(result, pd.DataFrame)
    assert (result.index.tolist(), result["document"].tolist()) == (labels, TEXTS)


@pytest.mark.needs("pyarrow")
def test_tables_of_pyarrow(elmo: Elmo) -> None:
    import pyarrow as pa

    for data in (pa.table({"n": [1, 2, 3], "text": TEXTS}), pa.chunked_array([TEXTS]), pa.array(TEXTS)):
        assert elmo.predict(data, "document")["document"].tolist() == TEXTS


@pytest.mark.needs("polars")
def test_frames_of_polars(elmo: Elmo) -> None:
    import polars as pl

    frame = pl.DataFrame({"n": [1, 2, 3], "text": ["a b", None, "c"]})
    result = elmo.predict(frame, "document")
    assert (result["document"].tolist(), result["n"].tolist()) == (TEXTS, [1, 2, 3])
    assert elmo.predict(frame["text"])["token"].dropna().tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"EL801.*data\.collect\(\)"):
        elmo.predict(frame.lazy())


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT], ids=repr)
def test_missing_texts(elmo: Elmo, missing: Any) -> None:
    for data in (["a", missing], pd.Series(["a", missing], dtype=object), np.array(["a", missing], dtype=object)):
        assert read_input(data).texts == ["a", ""]
    frame = pd.DataFrame({"text": pd.Series(["a", missing], dtype=object)})
    result = elmo.predict(frame, "document")
    # The text column stays as it was given.
    assert result["text"].tolist() == ["a", missing] or pd.isna(result["text"][1])
    assert result["document"].tolist() == ["a", ""]


@pytest.mark.parametrize("dtype", ["string", "string[pyarrow]", "category", object])
def test_dtypes_of_missing_texts(elmo: Elmo, dtype: Any) -> None:
    frame = pd.DataFrame({"text": pd.Series(["a b", None], dtype=dtype)})
    result = elmo.predict(frame)
    assert result["text"].dtype == frame["text"].dtype
    assert result["token"].fillna("-").tolist() == ["a", "b", "-"]


def test_which_column(elmo: Elmo) -> None:
    assert read_input(pd.DataFrame({"n": ["x"], "text": ["y"]})).texts == ["y"]
    assert read_input(pd.DataFrame({"n": ["x"], "Text": ["y"]})).texts == ["x"]
    data = pd.DataFrame({"id": [1, 2], "words": ["x", "y"]}, index=["k", "l"])
    with pytest.raises(
        ValueError, match=r"EL802.*row 0 \(index 'k'\) of column 'id', the first \(there is no 'text'.*\), is 1\."
    ):
        elmo.predict(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a", r"EL801.*got b'a' \(bytes\)\. Decode it: data\.decode"),
        (3, "EL801.*got 3"),
        (None, "EL801.*got None"),
        (3.5, "EL801"),
        ({"text": ["a"]}, r"EL801.*pandas\.DataFrame\(data\)"),
        (UserDict(), "EL801"),
        ({"a", "b"}, "EL801.*sets have no order"),
        (Path("a.txt"), "EL801.*Give a list of texts"),
        (pd.DataFrame, "EL801"),
        (np.array("a"), "EL801.*one dimension"),
        (np.array([["a", "b"]]), "EL801.*one dimension"),
        (Foreign(None), "EL801"),
        (
            ["a \u00e9", "b \ud800"],
            r"EL802.*text 1 is 'b \\ud800'\. It has half of a surrogate.*encode\('utf-16'",
        ),
        ("b \ud800", "EL802.*text 0 is .*surrogate"),
        (pd.DataFrame([[3]]), r"EL802.*row 0 \(index 0\) of column 0, the first .*, is 3"),
        (["a", 3], r"EL802.*text 1 is 3\. Convert it to str"),
        (["a", b"b"], r"EL802.*text 1 is b'b' \(bytes\)\. Decode it"),
        ([["I", "love"]], r"EL802.*text 0 is \['I', 'love'\] \(list\)\..*elmo\.embed\(\)"),
        ([np.array(["a"])], "EL802.*text 0"),
        ([True], "EL802.*text 0 is True"),
        (np.array([b"a"]), "EL802.*text 0.*Decode"),
        (np.array([1.5, float("nan")]), "EL802.*text 0 is 1.5"),
        (pd.Series(["a", 3], index=["x", "y"]), r"EL802.*row 1 \(index 'y'\) of the Series is 3"),
        (pd.Series(["a", ["b"]], index=[7, 7]), r"EL802.*row 1 \(index 7\) of the Series is \['b'\] \(list\)"),
        (pd.DataFrame({"n": ["a"], "text": [3]}), r"EL802.*row 0 \(index 0\) of column 'text' is 3"),
        (pd.DataFrame(), "EL808.*no columns"),
        (pd.DataFrame(index=[1, 2]), "EL808.*no columns"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "EL808.*2 columns 'text'.*Rename all but one"),
        (
            pd.DataFrame([["a"]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
            r"EL808.*predict\(data\[name\]\)",
        ),
    ],
)
def test_what_is_no_text(elmo: Elmo, data: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        elmo.predict(data)


def test_docs(elmo: Elmo) -> None:
    doc = spacy.blank("en")("I love NLP")
    with pytest.raises(ValueError, match=r"EL802.*text 0 is I \(Token\)\. Give the text of a Doc: doc\.text"):
        elmo.predict(doc)
    with pytest.raises(ValueError, match=r"EL802.*doc\.text for doc in docs"):
        elmo.predict([doc])


def test_errors_of_an_iterable(elmo: Elmo) -> None:
    def read() -> Any:
        yield "a"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        elmo.predict(read())
