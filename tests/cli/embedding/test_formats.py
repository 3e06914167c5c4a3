"""`spacy-elmo embed` to a Parquet or Arrow file."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from spacy_elmo.elmo import Elmo
from spacy_elmo.tables import record_batches
from tests.cli.command import embed, run
from tests.cli.test_embed import datasets
from tests.tables.test_record_batches import read_vectors


def read(path: Path) -> pa.Table:
    table = parquet.read_table(path) if path.suffix == ".parquet" else feather.read_table(path)
    table.validate(full=True)
    return table


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.feather"])
def test_same_bits_as_hdf5(
    text: Path, tiny: Path, tmp_path: Path, sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(record_batches, "MOST_ROWS", 64)
    summary = embed(text, tiny, tmp_path / name)
    embed(text, tiny, tmp_path / "out.h5")
    table = read(tmp_path / name)
    assert summary.n_tokens == table.num_rows == sum(map(len, sentences))
    assert table["text"].to_pylist() == [token for sentence in sentences for token in sentence]
    assert table["sentence"].to_pylist() == [k for k, sentence in enumerate(sentences) for _ in sentence]
    assert table["token"].to_pylist() == [k for sentence in sentences for k in range(len(sentence))]
    assert table.column_names[3:] == ["word_emb", "lstm_outputs1", "lstm_outputs2"]
    # No more rows are held at a time.
    if name.endswith("parquet"):
        groups = parquet.ParquetFile(tmp_path / name).metadata
        sizes = [groups.row_group(k).num_rows for k in range(groups.num_row_groups)]
    else:
        with pa.memory_map(str(tmp_path / name)) as source:
            file = pa.ipc.open_file(source)
            sizes = [file.get_batch(k).num_rows for k in range(file.num_record_batches)]
    assert {*sizes[:-1]} == {64}
    arrays = np.concatenate(datasets(tmp_path / "out.h5"), axis=1)
    # Each layer has its own width.
    assert [read_vectors(table, column).shape[1] for column in table.column_names[3:]] == [8, 16, 16]
    for array, column in zip(arrays, table.column_names[3:]):
        vectors = read_vectors(table, column)
        np.testing.assert_array_equal(vectors, array[:, : vectors.shape[1]])


@pytest.mark.parametrize(
    ("settings", "columns"),
    [
        ({"layers": ["elmo", "word_emb"]}, ["word_emb", "elmo"]),
        ({"reduce": "top"}, ["lstm_outputs2"]),
        ({"reduce": "average"}, ["average"]),
        ({"reduce": "average", "layers": ["word_emb"]}, ["average"]),
    ],
)
def test_layers(text: Path, tiny: Path, tmp_path: Path, settings: Any, columns: list[str]) -> None:
    embed(text, tiny, tmp_path / "out.parquet", **settings)
    embed(text, tiny, tmp_path / "out.h5", **settings)
    table = read(tmp_path / "out.parquet")
    assert table.column_names[3:] == columns
    assert json.loads(table.schema.metadata[b"spacy_elmo.layers"]) == columns
    arrays = datasets(tmp_path / "out.h5")
    if "reduce" in settings:
        np.testing.assert_array_equal(read_vectors(table, columns[0]), np.concatenate(arrays))
    else:
        stacked = np.concatenate(arrays, axis=1)
        for array, column in zip(stacked, columns):
            vectors = read_vectors(table, column)
            np.testing.assert_array_equal(vectors, array[:, : vectors.shape[1]])


@pytest.mark.parametrize("reduce", [None, "average"])
def test_empty_sentences_and_whitespace(tiny: Path, tmp_path: Path, elmo: Elmo, reduce: str | None) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a  \\n b"}\n{"text": ""}\n{"tokens": []}\n{"tokens": ["c"]}\n')
    (tmp_path / "b.txt").write_text("\nd\n")
    embed([tmp_path / "a.jsonl", tmp_path / "b.txt"], tiny, tmp_path / "out.parquet", reduce=reduce)
    table = read(tmp_path / "out.parquet")
    # Numbers of sentences run on from file to file.
    assert table["sentence"].to_pylist() == [0, 0, 0, 3, 5]
    assert table["token"].to_pylist() == [0, 1, 2, 0, 0]
    assert table["text"].to_pylist() == ["a", " \n ", "b", "c", "d"]
    for name in table.column_names[3:]:
        vectors = read_vectors(table, name)
        assert vectors.any(axis=1).tolist() == [True, False, True, True, True]
    if reduce is None:
        expected = elmo.embed([["a", "b"]])[0].lstm_outputs2
        np.testing.assert_allclose(read_vectors(table, "lstm_outputs2")[[0, 2]], expected, atol=1e-6)


def test_only_empty_sentences(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n\n")
    embed(tmp_path / "a.txt", tiny, tmp_path / "out.parquet")
    table = read(tmp_path / "out.parquet")
    assert (table.num_rows, table.num_columns) == (0, 6)


def test_precision_and_carried_state(text: Path, tiny: Path, tmp_path: Path) -> None:
    embed(text, tiny, tmp_path / "out.parquet", precision="fp64")
    assert read(tmp_path / "out.parquet").schema.field("word_emb").type == pa.list_(pa.float64(), 8)
    for name in ("carried.parquet", "carried.h5"):
        embed(text, tiny, tmp_path / name, initial_state="carry", batch_size=3, reduce="top")
    got = read_vectors(read(tmp_path / "carried.parquet"), "lstm_outputs2")
    np.testing.assert_array_equal(got, np.concatenate(datasets(tmp_path / "carried.h5")))


def test_command(text: Path, tiny: Path, tmp_path: Path) -> None:
    done = run("embed", text, "-s", tiny, "-o", tmp_path / "out.PARQUET", "--top")
    assert "Wrote 10 sentences" in done.stderr
    done = run("embed", text, "-s", tiny, "-o", tmp_path / "out.PARQUET", "--top", code=1)
    assert "EL068" in done.stderr
    assert parquet.read_table(tmp_path / "out.PARQUET").column_names[3:] == ["lstm_outputs2"]
    done = run("embed", text, "-s", tiny, "-o", tmp_path / "out.csv", code=1)
    assert ".h5, .hdf5, .hdf, .he5, .parquet, .arrow, .feather, or no ending" in done.stderr


def test_failures_leave_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text('{"tokens": ["good"]}\n' * 100 + '{"tokens": ["a", "\\ud83d"]}\n')
    with pytest.raises(ValueError, match=r"EL820.*Token 1 of sentence 100 "):
        embed(tmp_path / "a.jsonl", tiny, tmp_path / "out.parquet")
    with pytest.raises(ValueError, match=r"EL229.*parquet"):
        embed(tmp_path / "a.jsonl", tiny, tmp_path / "out.parquet", forget_sentences=True)
    (tmp_path / "b.txt").write_text("")
    with pytest.raises(ValueError, match="EL062"):
        embed(tmp_path / "b.txt", tiny, tmp_path / "out.arrow")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setattr("spacy_elmo.elmo.load", lambda *_, **__: pytest.fail("loaded for nothing"))
    with pytest.raises(ImportError, match=r"EL024.*out.arrow' requires the package pyarrow.*pip install pyarrow"):
        embed(tmp_path / "a.jsonl", tiny, tmp_path / "out.arrow")
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "b.txt"]
