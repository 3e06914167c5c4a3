"""The arguments of `predict`, and which columns there are."""

from itertools import product
from typing import Any

import pandas as pd
import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.frames.choices import UNITS, Unit, check_choices
from tests.frames.cases import TEXTS, VECTORS, assert_cells


def test_default_level(elmo: Elmo) -> None:
    for level in ((), ("",), ("token",)):
        pd.testing.assert_frame_equal(elmo.predict(TEXTS, *level), elmo.predict(TEXTS, output_level="token"))


@pytest.mark.parametrize(
    ("level", "positions", "metadata", "pooling"),
    [
        one
        for one in product(UNITS, (False, True), (False, True), (None, "sum"))
        if one[0] != "token" or not one[3]
    ],
)
def test_columns(
    elmo: Elmo, frame: pd.DataFrame, level: Unit, positions: bool, metadata: bool, pooling: str | None
) -> None:
    """The columns are those that were announced, sorted, with all of the input's."""
    kinds: Any = {"positions": positions, "metadata": metadata, "pooling": pooling, "column": "v"}
    made = check_choices(output_level=level, **kinds).name_columns()
    result = elmo.predict(frame, level, **kinds)
    assert list(result.columns) == sorted([*frame.columns, *made], key=str)
    # The same whether it is shown or not.
    assert_cells(result["v"], elmo.predict(TEXTS, level, pooling=pooling)[VECTORS].map(pooled_or_none).tolist())


def pooled_or_none(cell: Any) -> Any:
    return None if isinstance(cell, float) else cell


def test_names_that_are_free(elmo: Elmo) -> None:
    """Only names of columns that are there clash."""
    data = pd.DataFrame({"document": ["a b"], "sentence": [1], "token_begin": [2]})
    result = elmo.predict(data)
    assert list(result.columns) == ["document", "sentence", "token", "token_begin", VECTORS]
    again = elmo.predict(result.rename(columns={"token": "word"}), column="v")
    assert list(again.columns) == ["document", "sentence", "token", "token_begin", "v", "word", VECTORS]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"output_level": "chunk"}, r"EL803.*'chunk'.*Allowed: 'token', 'sentence', 'document'"),
        ({"output_level": None}, "EL803.*None"),
        ({"output_level": ["token"]}, "EL803"),
        ({"pooling": "max", "output_level": "document"}, r"EL804.*'max'.*Allowed: 'average', 'sum', or None"),
        ({"pooling": 3, "output_level": "document"}, "EL804"),
        ({"pooling": ["sum"], "output_level": "document"}, "EL804"),
        ({"pooling": "average"}, r"EL805.*'average'.*output_level = 'sentence' or 'document'"),
        ({"column": ""}, "EL807.*it is empty"),
        ({"column": 3}, "EL807.*it is not a str"),
        ({"column": "token"}, "EL807.*another column 'token'"),
        ({"column": "document", "positions": True}, "EL807.*another column 'document_begin'"),
        ({"column": "token", "metadata": True, "output_level": "sentence"}, "EL807"),
        ({"pooling_layer": "lstm_outputs9"}, "EL031.*word_emb, lstm_outputs1"),
        ({"pooling_layer": None}, "EL031"),
        ({"pooling_layer": ["elmo"]}, "EL031"),
        ({"nlp": None}, "EL809.*'blank:en'.*got None"),
        ({"nlp": 3}, "EL809"),
        ({"nlp": "blank:xxx"}, "EL246.*'xxx'"),
        ({"nlp": "tokenizer:xxx"}, "EL070.*'tokenizer:xxx'"),
        ({"nlp": "en_no_such"}, "EL070.*'en_no_such'"),
        ({"nlp": ""}, "EL070"),
        ({"nlp": "blank:"}, "EL070"),
    ],
)
def test_wrong_arguments(elmo: Elmo, settings: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        elmo.predict("text", **settings)


def test_errors_before_texts_are_read(elmo: Elmo) -> None:
    """An iterable that can be read once is not wasted."""
    texts = iter(["a", "b"])
    for wrong in ({"pooling_layer": "no"}, {"output_level": "no"}, {"pooling": "no"}, {"column": ""}):
        with pytest.raises(ValueError, match=r"\[EL"):
            elmo.predict(texts, **wrong)  # type: ignore[arg-type]
    assert elmo.predict(texts)["token"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("data", "settings", "text"),
    [
        ({"token": ["a"]}, {}, r"column 'token'.*columns={'token': 'token_given'}.*columns='token'\)\."),
        ({"document": ["a"]}, {"output_level": "document"}, "column 'document'"),
        ({"text": ["a"], VECTORS: [1]}, {}, f"column '{VECTORS}'.*or give another `column`"),
        ({"text": ["a"], "token_end": [1]}, {"positions": True}, "column 'token_end'"),
        ({"text": ["a"], "origin_index": [1]}, {"metadata": True}, "column 'origin_index'"),
        ({"text": ["a"], "v_piece_id": [1]}, {"metadata": True, "column": "v"}, "column 'v_piece_id'"),
    ],
)
def test_column_in_both(elmo: Elmo, data: Any, settings: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"EL806.*{text}"):
        elmo.predict(pd.DataFrame(data), **settings)
