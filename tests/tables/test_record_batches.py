"""Record batches: their rows, their sizes, and texts that cannot be stored."""

import json
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

import spacy_elmo
from spacy_elmo.tables import record_batches
from spacy_elmo.tables.record_batches import SentenceRows, count_batch_rows, make_batches, make_schema

WIDTHS = {"word_emb": 4, "elmo": 8}
LENGTHS = [3, 0, 12, 1, 1, 0, 5]


def make_rows(lengths: list[int]) -> list[SentenceRows]:
    rng = np.random.default_rng(0)
    return [
        SentenceRows(
            number,
            [f"{number}.{k}" for k in range(length)],
            {name: rng.random((length, width), dtype=np.float32) for name, width in WIDTHS.items()},
        )
        for number, length in enumerate(lengths)
    ]


def read_vectors(table: pa.Table, name: str) -> np.ndarray:
    """A column as an array, without a copy for each token."""
    column = table[name].combine_chunks()
    return np.asarray(column.flatten().to_numpy().reshape(len(column), -1))


SCHEMA = make_schema(make_rows([0])[0].vectors, source="the model")


@pytest.mark.parametrize("n_rows", [1, 2, 5, 7, 22, 100])
def test_batches_are_full(n_rows: int) -> None:
    rows = make_rows(LENGTHS)
    batches = list(make_batches(rows, SCHEMA, n_rows=n_rows))
    total = sum(LENGTHS)
    whole, rest = divmod(total, n_rows)
    assert [batch.num_rows for batch in batches] == [n_rows] * whole + [rest] * (rest > 0)
    table = pa.Table.from_batches(batches)
    table.validate(full=True)
    assert table["sentence"].to_pylist() == [k for k, length in enumerate(LENGTHS) for _ in range(length)]
    assert table["token"].to_pylist() == [k for length in LENGTHS for k in range(length)]
    assert table["text"].to_pylist() == [text for sentence in rows for text in sentence.texts]
    for name in WIDTHS:
        expected = np.concatenate([sentence.vectors[name] for sentence in rows])
        np.testing.assert_array_equal(read_vectors(table, name), expected)


def test_sentences_are_read_when_needed() -> None:
    n_read = 0

    def count() -> Iterator[SentenceRows]:
        nonlocal n_read
        for rows in make_rows([2] * 10):
            n_read += 1
            yield rows

    batches = make_batches(count(), SCHEMA, n_rows=4)
    next(batches)
    assert n_read == 2
    next(batches)
    assert n_read == 4


def test_no_rows() -> None:
    assert list(make_batches([], SCHEMA)) == []
    assert list(make_batches(make_rows([0, 0]), SCHEMA)) == []


def test_schema() -> None:
    assert SCHEMA.names == ["sentence", "token", "text", "word_emb", "elmo"]
    types = [pa.int64(), pa.int32(), pa.string(), pa.list_(pa.float32(), 4), pa.list_(pa.float32(), 8)]
    assert SCHEMA.types == types
    metadata = {key.decode(): value.decode() for key, value in SCHEMA.metadata.items()}
    assert json.loads(metadata.pop("spacy_elmo.layers")) == ["word_emb", "elmo"]
    assert metadata == {"spacy_elmo.version": spacy_elmo.__version__, "spacy_elmo.source": "the model"}
    # A name that is not UTF-8, as Python has it.
    odd = make_schema({"elmo": np.zeros((0, 2))}, source="caf\udce9")
    assert odd.metadata[b"spacy_elmo.source"] == b"caf\\udce9"
    assert odd.field("elmo").type == pa.list_(pa.float64(), 2)


def test_size_of_a_batch() -> None:
    def count(width: int, dtype: str) -> int:
        return count_batch_rows(make_schema({"elmo": np.zeros((0, width), dtype=dtype)}, source=""))

    assert count(1024, "float32") == 8192
    assert count(1024, "float64") == 4096
    assert count(16, "float32") == record_batches.MOST_ROWS
    assert count(1 << 30, "float32") == 1


@pytest.mark.parametrize("n_rows", [1, 3, 100])
def test_half_of_a_surrogate_pair(n_rows: int) -> None:
    rows = make_rows([2, 6])
    bad = rows[1]._replace(texts=["\U0001f600", "b", "c", "d", "\ud83d", "f"])
    with pytest.raises(ValueError, match=r"EL820.*Token 4 of sentence 1 is '\\ud83d'"):
        list(make_batches([rows[0], bad], SCHEMA, n_rows=n_rows))
