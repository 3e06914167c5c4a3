"""Tokens and the sentences that they belong to."""

from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extras import is_installed

if is_installed("pyspark"):
    from spacy_elmo.spark.matching import match_tokens
    from spacy_elmo.spark.token_batch import TokenBatch

pytestmark = pytest.mark.needs("pyspark")

# (begin, end, text, number of the sentence), or nothing.
Annotation = tuple[int, int, str, int]
Row = list[Annotation] | None
MAP = pa.map_(pa.string(), pa.string())


def to_arrays(sentences: list[Row], tokens: list[Row]) -> tuple[pa.Array, ...]:
    def lists(rows: list[Row], place: int, type: pa.DataType) -> pa.Array:
        return pa.array([None if row is None else [one[place] for one in row] for row in rows], pa.list_(type))

    numbers: list[Any] = [
        None if row is None else [[("sentence", str(one[3]))] for one in row] for row in sentences
    ]
    return (
        lists(sentences, 0, pa.int32()),
        lists(sentences, 1, pa.int32()),
        lists(sentences, 2, pa.string()),
        pa.array(numbers, pa.list_(MAP)),
        lists(tokens, 0, pa.int32()),
        lists(tokens, 1, pa.int32()),
        lists(tokens, 2, pa.string()),
    )


def match_slowly(sentences: Row, tokens: Row) -> list[tuple[int, list[tuple[int, int, str]]]]:
    """As Spark NLP documents it, for one row: the number and the tokens of each sentence that has some."""
    pairs = {
        (number, place)
        for begin, end, _, number in sentences or []
        for place, token in enumerate(tokens or [])
        if token[0] >= begin and token[1] <= end
    }
    groups = groupby(sorted(pairs), key=lambda pair: pair[0])
    return [(number, [(tokens or [])[place][:3] for _, place in members]) for number, members in groups]


def read(batch: "TokenBatch") -> list[list[tuple[int, list[tuple[int, int, str]]]]]:
    """The same of each row of a batch."""
    rows = []
    for row in range(batch.n_rows):
        groups = []
        for group in range(batch.n_groups):
            start, end = batch.group_offsets[group : group + 2].tolist()
            if batch.offsets[row] <= start < batch.offsets[row + 1]:
                spans = zip(batch.begin[start:end].tolist(), batch.end[start:end].tolist(), batch.text[start:end])
                groups.append((int(batch.group_number[group]), list(spans)))
        rows.append(groups)
    return rows


spans = st.tuples(st.integers(0, 12), st.integers(-3, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
tokens = st.lists(spans.map(lambda span: (*span, f"t{span[0]}-{span[1]}", 0)), max_size=6)
sentences = st.lists(st.tuples(spans, st.integers(0, 3)).map(lambda pair: (*pair[0], "s", pair[1])), max_size=4)
rows = st.lists(st.tuples(st.none() | sentences, st.none() | tokens), min_size=1, max_size=5)


@settings(deadline=None)
@given(rows, st.integers(1, 8))
def test_any_annotations(rows: list[tuple[Row, Row]], n_tokens: int) -> None:
    """Also sentences that overlap, out of order, or of one number."""
    batch = match_tokens(to_arrays([row[0] for row in rows], [row[1] for row in rows]), first_row=0)
    expected = [match_slowly(*row) for row in rows]
    assert read(batch) == expected
    parts = list(batch.split(n_tokens))
    assert [row for part in parts for row in read(part)] == expected
    assert all(len(part.text) <= n_tokens or part.n_rows == 1 for part in parts)
    for part, whole in ((part, batch) for part in parts):
        assert len(part.sentences.text) == part.sentences.offsets[-1]
        numbered = [(int(n), int(g)) for n, g in zip(part.sentences.number, part.sentences.group) if g >= 0]
        assert all(part.group_number[group] == number for number, group in numbered)
        assert {group for _, group in numbered} == set(range(part.n_groups))
        assert whole.n_rows == len(rows)


def test_in_order() -> None:
    """The usual case goes another way than the others: sentences one after the other, over many rows."""
    row: list[Annotation] = [(0, 9, "First one.", 0), (11, 10, "", 1), (11, 20, "Second one.", 2)]
    tokens: list[Annotation] = [(0, 4, "First", 0), (6, 9, "one.", 0), (8, 13, "across", 0), (11, 16, "Second", 1)]
    batch = match_tokens(to_arrays([row, None, [], row], [tokens, tokens, tokens, tokens[:1]]), first_row=0)
    whole = [(0, [(0, 4, "First"), (6, 9, "one.")]), (2, [(11, 16, "Second")])]
    assert read(batch) == [whole, [], [], [(0, [(0, 4, "First")])]]
    assert batch.sentences.group.tolist() == [0, -1, 1, 2, -1, -1]
    assert list(batch.groups()) == [["First", "one."], ["Second"], ["First"]]


def test_empty_token() -> None:
    """Between two sentences that touch it is in both, also in an empty one, as a comparison of all finds."""
    row: list[Annotation] = [(0, -1, "", 0), (0, 3, "some", 1), (4, 8, " text", 2)]
    batch = match_tokens(to_arrays([row], [[(0, -1, "", 0), (4, 3, "", 0)]]), first_row=0)
    first, second = (0, -1, ""), (4, 3, "")
    assert read(batch) == [[(0, [first]), (1, [first, second]), (2, [second])]]


def test_sentence_without_number() -> None:
    """It has its place in the row."""
    arrays = list(to_arrays([[(0, 1, "a", 0), (2, 3, "b", 0)]], [[(2, 3, "b", 0)]]))
    arrays[3] = pa.array([[[("other", "7")], [("sentence", "x")]]], pa.list_(MAP))
    assert match_tokens(tuple(arrays), first_row=0).group_number.tolist() == [1]


def test_large_strings() -> None:
    """As with spark.sql.execution.arrow.useLargeVarTypes."""
    arrays = list(to_arrays([[(0, 1, "ab", 3)]], [[(0, 1, "ab", 0)]]))
    arrays[6] = arrays[6].cast(pa.list_(pa.large_string()))
    batch = match_tokens(tuple(arrays), first_row=0)
    assert (batch.text, batch.group_number.tolist()) == (["ab"], [3])


def test_null_token() -> None:
    arrays = list(to_arrays([[], [(0, 8, "some text", 0)]], [[], [(0, 3, "some", 0)]]))
    for place, type in ((4, pa.int32()), (5, pa.int32()), (6, pa.string())):
        arrays[place] = pa.array([[], [arrays[place][1][0].as_py(), None]], pa.list_(type))
    message = r"EL853.*Row 11 of partition -1 \(its text begins with 'some text'\): token annotation 1 is null"
    with pytest.raises(ValueError, match=message):
        match_tokens(tuple(arrays), first_row=10)


def test_slice_of_a_batch() -> None:
    """Offsets of lists need not begin at 0."""
    row: Row = [(0, 3, "some", 0)]
    arrays = tuple(array.slice(1) for array in to_arrays([[(0, 9, "x", 0)] * 2, row], [[(0, 1, "no", 0)], row]))
    batch = match_tokens(arrays, first_row=0)
    assert read(batch) == [[(0, [(0, 3, "some")])]]
    assert np.array_equal(batch.sentences.begin, [0])
