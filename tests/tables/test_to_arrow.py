"""`Elmo.to_arrow`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.tables import record_batches
from tests.tables.test_record_batches import read_vectors


def test_same_bits_as_embed(elmo: Elmo, sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    given = [*sentences[:3], [], *sentences[3:]]
    outputs = elmo.embed(given)
    monkeypatch.setattr(record_batches, "MOST_ROWS", 50)
    table = elmo.to_arrow(iter(given))
    table.validate(full=True)
    assert {len(chunk) for chunk in table["text"].chunks[:-1]} == {50}
    assert table.column_names == ["sentence", "token", "text", *elmo.layer_names]
    assert table["text"].to_pylist() == [token for sentence in given for token in sentence]
    assert table["sentence"].to_pylist() == [k for k, sentence in enumerate(given) for _ in sentence]
    assert table["token"].to_pylist() == [k for sentence in given for k in range(len(sentence))]
    for name in elmo.layer_names:
        assert table.schema.field(name).type == pa.list_(pa.float32(), elmo.width(name))
        np.testing.assert_array_equal(read_vectors(table, name), np.concatenate([one[name] for one in outputs]))
    assert table.schema.metadata[b"spacy_elmo.source"] == elmo.source.encode()


def test_settings(tiny: Path, elmo: Elmo, capsys: pytest.CaptureFixture[str]) -> None:
    table = elmo.to_arrow([["a", "b"]], layers=["word_emb"], max_batch_tokens=4, progress=True)
    assert table.column_names == ["sentence", "token", "text", "word_emb"]
    assert "1/1" in capsys.readouterr().err
    empty = elmo.to_arrow([])
    assert (empty.num_rows, empty.num_columns) == (0, 7)
    exact = spacy_elmo.load(tiny, precision="fp64").to_arrow([["a"]])
    assert exact.schema.field("elmo").type == pa.list_(pa.float64(), 16)


def test_carried_state(tiny: Path) -> None:
    one, other = (spacy_elmo.load(tiny, initial_state="carry") for _ in range(2))
    for _ in range(2):
        expected = one.embed([["a", "b"], ["c"]])
        got = read_vectors(other.to_arrow([["a", "b"], ["c"]]), "elmo")
        np.testing.assert_array_equal(got, np.concatenate([output.elmo for output in expected]))


def test_errors(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="EL240"):
        elmo.to_arrow("abc")
    with pytest.raises(ValueError, match=r"EL034.*token 1 of sentence 0"):
        elmo.to_arrow([["a", 1]])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="EL031"):
        elmo.to_arrow([["a"]], layers=["lstm_outputs3"])
    # Before anything is computed.
    monkeypatch.setattr(type(elmo.engine), "plan", lambda *_, **__: pytest.fail("computed for nothing"))
    with pytest.raises(ValueError, match=r"EL820.*Token 0 of sentence 1"):
        elmo.to_arrow([["a"], ["\ud800"]])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"EL800.*to_arrow requires the package pyarrow.*pip install pyarrow"):
        elmo.to_arrow([["a"]])


def test_pyarrow_is_imported_for_tables_only(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b\n")
    program = (
        "import sys, spacy_elmo\n"
        "from pathlib import Path\n"
        "from tests.cli.command import embed\n"
        f"embed({str(tmp_path / 'a.txt')!r}, {str(tiny)!r}, Path({str(tmp_path / 'a.h5')!r}))\n"
        f"elmo = spacy_elmo.load({str(tiny)!r})\n"
        "elmo.embed([['a']])\n"
        "print('pyarrow' in sys.modules)\n"
        "elmo.to_arrow([['a']])\n"
        "print('pyarrow' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
