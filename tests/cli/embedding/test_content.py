"""`--sum` and `--pool mean` of sentences: which tokens count, and what an empty sentence has."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyarrow import parquet

from spacy_elmo.cli.embedding.content import Content
from spacy_elmo.elmo import Elmo
from spacy_elmo.inputs.items import InputSentence
from tests.cli.command import embed, run
from tests.cli.test_embed import datasets
from tests.tables.test_record_batches import read_vectors


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """A text with a whitespace token, an empty one, and given tokens."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a  \\n b"}\n{"text": ""}\n{"tokens": ["c", "d", "e"]}\n')
    return path


SENTENCES = [["a", "b"], [], ["c", "d", "e"]]


@pytest.mark.parametrize(
    ("settings", "reduce"),
    [
        ({}, lambda array: array),
        ({"reduce": "sum"}, lambda array: array.sum(axis=0)),
        ({"reduce": "average"}, lambda array: array.mean(axis=0)),
        ({"reduce": "top"}, lambda array: array[2]),
        ({"layers": ["word_emb"]}, lambda array: array[:1]),
    ],
)
@pytest.mark.parametrize("initial_state", ["zero", "carry"])
def test_mean_of_the_tokens(
    records: Path, tiny: Path, tmp_path: Path, elmo: Elmo, settings: Any, reduce: Any, initial_state: str
) -> None:
    """Whitespace tokens have no vectors, and do not count."""
    embed(records, tiny, tmp_path / "out.h5", pool="mean", initial_state=initial_state, **settings)
    found = datasets(tmp_path / "out.h5")
    for array, output in zip(found, elmo.embed(SENTENCES), strict=True):
        layers = reduce(output.stack())
        assert array.shape == (*layers.shape[:-2], 16)
        if len(output):
            np.testing.assert_allclose(array, layers.mean(axis=-2), atol=1e-5)
        else:
            assert np.isnan(array).all()
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["pool"] == "mean"
        assert list(json.loads(file["sentence_to_index"][0]).values()) == ["0", "1", "2"]


def test_rows_of_sentences(records: Path, tiny: Path, tmp_path: Path) -> None:
    embed(records, tiny, tmp_path / "out.parquet", pool="mean")
    embed(records, tiny, tmp_path / "out.h5", pool="mean")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["sentence", "n_tokens", "text", "word_emb", "lstm_outputs1", "lstm_outputs2"]
    assert table["sentence"].to_pylist() == [0, 1, 2]
    assert table["n_tokens"].to_pylist() == [2, 0, 3]
    assert table["text"].to_pylist() == ["a  \n b", "", "c d e"]
    arrays = datasets(tmp_path / "out.h5")
    for k, name in enumerate(table.column_names[3:]):
        vectors = read_vectors(table, name)
        np.testing.assert_array_equal(vectors, [array[k, : vectors.shape[1]] for array in arrays])


def test_sum(records: Path, tiny: Path, tmp_path: Path) -> None:
    embed(records, tiny, tmp_path / "sum.h5", reduce="sum")
    embed(records, tiny, tmp_path / "all.h5")
    for array, layers in zip(datasets(tmp_path / "sum.h5"), datasets(tmp_path / "all.h5"), strict=True):
        # Rows of zeros for whitespace tokens stay what they are.
        np.testing.assert_array_equal(array, layers.sum(axis=0))


def test_mean_of_many_rows(elmo: Elmo) -> None:
    """In float64: a sum in float32 would stop to grow."""
    like = elmo.embed([[]], layers=["elmo"])[0]
    content = Content(
        names=["elmo"], reduce=None, pool="mean", width=1, with_index=False, has_ids=True, like=like, source=""
    )
    rows = np.full((1 << 25, 1), 0.1, dtype=np.float32)
    # Their sum is 3.4 million, beyond which float32 has no room for the next digit of 0.1.
    [mean] = content.select(InputSentence("", ["A"], 1.0), {"elmo": rows}).values()  # type: ignore[arg-type]
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, np.float32(0.1))
    assert abs(rows.cumsum(dtype=np.float32)[-1] / len(rows) - 0.1) > 1e-3


def test_command(text: Path, tiny: Path, tmp_path: Path) -> None:
    run("embed", text, "-s", tiny, "-o", tmp_path / "out.h5", "--pool", "mean", "--sum", "-q")
    assert [array.shape for array in datasets(tmp_path / "out.h5")] == [(16,)] * 10
