"""Texts, positions and metadata of a frame."""

from itertools import chain
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.elmo import Elmo
from spacy_elmo.frames.choices import UNITS, Unit
from spacy_elmo.splitter import split_texts
from tests.frames.cases import ROWS, SENTENCES, TEXTS, TOKENS, VECTORS, tiny_elmo

# Of a text without tokens.
NOTHING: list[Any] = [None]


def test_texts_of_rows(elmo: Elmo) -> None:
    tokens = [token for text in TOKENS for token in ([*chain(*text)] or NOTHING)]
    sentences = [sentence for text in SENTENCES for sentence in (text or NOTHING)]
    for level, expected in (("token", tokens), ("sentence", sentences), ("document", TEXTS)):
        result = elmo.predict(TEXTS, level)
        assert [None if pd.isna(value) else value for value in result[level]] == expected
        assert result.index.tolist() == ROWS[level]


POSITIONS: dict[str, dict[str, list[Any]]] = {
    "token": {
        "token_begin": [0, 2, 7, 10, 12, 15, 18, 20, 23, 0, 0, 5, 9, 0],
        "token_end": [0, 5, 9, 10, 13, 16, 18, 22, 23, -1, 3, 7, 13, -1],
        "sentence_begin": [[0, 12]] * 9 + [[], [0], [0], [0], []],
        "sentence_end": [[10, 23]] * 9 + [[], [13], [13], [13], []],
        "document_begin": [[0]] * 14,
        "document_end": [[23]] * 9 + [[-1], [13], [13], [13], [1]],
    },
    "sentence": {
        "token_begin": [[0, 2, 7, 10], [12, 15, 18, 20, 23], [], [0, 5, 9], []],
        "token_end": [[0, 5, 9, 10], [13, 16, 18, 22, 23], [], [3, 7, 13], []],
        "sentence_begin": [0, 12, 0, 0, 0],
        "sentence_end": [10, 23, -1, 13, -1],
        "document_begin": [[0]] * 5,
        "document_end": [[23], [23], [-1], [13], [1]],
    },
    "document": {
        "token_begin": [[0, 2, 7, 10, 12, 15, 18, 20, 23], [], [0, 5, 9], []],
        "token_end": [[0, 5, 9, 10, 13, 16, 18, 22, 23], [], [3, 7, 13], []],
        "sentence_begin": [[0, 12], [], [0], []],
        "sentence_end": [[10, 23], [], [13], []],
        "document_begin": [0, 0, 0, 0],
        "document_end": [23, -1, 13, 1],
    },
}


@pytest.mark.parametrize("pooling", [None, "average"])
@pytest.mark.parametrize("level", UNITS)
def test_positions(elmo: Elmo, level: Unit, pooling: str | None) -> None:
    if pooling and level == "token":
        return
    result = elmo.predict(TEXTS, level, positions=True, pooling=pooling, column="v")
    # Those of the vectors: of the row that a vector is pooled of.
    unit = level if pooling else "token"
    expected = POSITIONS[level] | {f"v_{edge}": POSITIONS[level][f"{unit}_{edge}"] for edge in ("begin", "end")}
    assert {name: result[name].tolist() for name in expected} == expected
    assert {*result.columns} == {*expected, "v", level}
    whole = [f"{name}_{edge}" for name in {level, "v" if unit == level else level} for edge in ("begin", "end")]
    assert [name for name in result if result[name].dtype == "int64"] == sorted(whole)


@pytest.mark.parametrize("level", UNITS)
def test_positions_without_any_token(elmo: Elmo, level: Unit) -> None:
    for texts in ([""], []):
        result = elmo.predict(texts, level, positions=True)
        assert len(result) == len(texts)
        assert result[f"{level}_begin"].dtype == result[f"{level}_end"].dtype == "int64"
        # Frames can be joined, whatever their texts.
        assert result.dtypes.equals(elmo.predict(TEXTS, level, positions=True).dtypes)


@pytest.mark.parametrize("level", UNITS)
def test_metadata(elmo: Elmo, level: Unit) -> None:
    data = pd.Series(TEXTS, index=["x", "y", "x", "z"])
    result = elmo.predict(data, level, metadata=True)
    rows = ROWS[level]
    assert result["document"].tolist() == [TEXTS[row] for row in rows]
    assert result["origin_index"].tolist() == ["xyxz"[row] for row in rows]
    tokens = [[*chain(*text)] for text in TOKENS]
    numbers = [[str(i) for i, sentence in enumerate(text) for _ in sentence] for text in TOKENS]
    groups = {"token": tokens, "sentence": SENTENCES, "token_origin_sentence": numbers}
    expected: dict[str, list[Any]]
    if level == "document":
        expected = {**groups, "constants": [["c"] * len(text) for text in tokens]}
    elif level == "sentence":
        expected = {
            "token": [sentence for text in TOKENS for sentence in (text or [[]])],
            "sentence": [sentence for text in SENTENCES for sentence in (text or NOTHING)],
            "token_origin_sentence": [["0"] * 4, ["1"] * 5, [], ["0"] * 3, []],
            "constants": [["c"] * 4, ["c"] * 5, [], ["c"] * 3, []],
        }
    else:
        expected = {name: [value for text in groups[name] for value in (text or NOTHING)] for name in groups}
        expected["sentence"] = [SENTENCES[0][0]] * 4 + [SENTENCES[0][1]] * 5 + [None] + SENTENCES[2] * 3 + [None]
        expected["constants"] = ["c" if token else None for token in expected["token"]]
    expected[f"{VECTORS}_origin_sentence"] = expected["token_origin_sentence"]
    constants = expected.pop("constants")
    for name, constant in (("is_OOV", "false"), ("is_word_start", "true"), ("piece_id", "-1")):
        expected[f"{VECTORS}_{name}"] = [
            [constant] * len(cell) if isinstance(cell, list) else cell and constant for cell in constants
        ]
    for name, values in expected.items():
        assert [None if isinstance(value, float) else value for value in result[name]] == values, name
    assert {*result.columns} == {*expected, "document", "origin_index", VECTORS}


@pytest.mark.parametrize(
    ("level", "origins"), [("sentence", ["0", "1", None, "0", None]), ("document", ["0", None, "0", None])]
)
def test_metadata_of_pooled_vectors(elmo: Elmo, level: Unit, origins: list[str | None]) -> None:
    result = elmo.predict(TEXTS, level, metadata=True, pooling="average")
    for name, constant in (
        ("origin_sentence", None),
        ("is_OOV", "false"),
        ("is_word_start", "true"),
        ("piece_id", "-1"),
    ):
        found = [None if pd.isna(value) else value for value in result[f"{VECTORS}_{name}"]]
        assert found == [origin and (constant or origin) for origin in origins]
    assert result["token"].map(len).tolist() == [
        len(result["token_origin_sentence"].iloc[i]) for i in range(len(origins))
    ]


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=6), st.sampled_from(UNITS)
)
@settings(max_examples=60, deadline=None)
def test_any_texts(texts: list[str], level: Unit) -> None:
    """Positions give back the tokens; tokens come in the order of the texts; each has its vector."""
    result = tiny_elmo().predict(texts, level, positions=True, metadata=True)
    expected = list(split_texts(texts))
    assert result.index.unique().tolist() == list(range(len(texts)))
    for number, sentences in enumerate(expected):
        own = result[result.index == number]
        parts = {
            "sentence": [one.text for one in sentences],
            "token": [t for one in sentences for t in one.tokens],
        }
        for unit, values in parts.items():
            found, begins, ends = ([*own[f"{unit}{end}"]] for end in ("", "_begin", "_end"))
            if level == "document" or (level, unit) == ("sentence", "token"):
                found, begins, ends = ([*chain(*lists)] for lists in (found, begins, ends))
            elif level == "token" and unit == "sentence":
                found, begins, ends = values, begins[0], ends[0]
            assert [text for text in found if isinstance(text, str)] == values
            spans = [texts[number][begin : end + 1] for begin, end in zip(begins, ends)]
            assert spans == (values or [""][: len(begins)])
        shapes = [cell.shape[:-1] for cell in own["word_embedding_elmo"] if not isinstance(cell, float)]
        assert sum(shape[0] if shape else 1 for shape in shapes) == len(parts["token"])
