"""`spacy-elmo embed` of FASTA: layers of the reference in float64, summed and averaged as by SeqVec's program."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pyarrow import parquet

import spacy_elmo
from spacy_elmo.cli.embedding import order
from spacy_elmo.cli.embedding.embed_settings import EmbedSettings
from spacy_elmo.cli.embedding.folder import embed_files
from spacy_elmo.inputs.fasta import HeaderIds
from tests import reference
from tests.cli.command import embed, run
from tests.data import ROOT, TINY, read_npz
from tests.tables.test_record_batches import read_vectors

FOLDER = ROOT / "tests" / "sequences"
FASTA = FOLDER / "proteins.fasta"
# Options as bilm-tf trains, and weights of the same model.
SOURCE = [str(FOLDER / "options.json"), str(TINY / "weights.hdf5")]
IDS = ["sp|T00001|ONE_TEST", "T00002/3-9", "6TST:A", "T00003"]
NAMES = ["sp|T00001|ONE_TEST", "T00002_3-9", "6TST:A", "T00003"]
SLASH = pytest.mark.filterwarnings("ignore:.*WL093")
LAYERS = ["word_emb", "lstm_outputs1", "lstm_outputs2"]


@pytest.fixture(scope="module")
def golden() -> list[np.ndarray]:
    """(3, n, 2P) in float64 of each sequence."""
    return [*read_npz(FOLDER / "expected.npz").values()]


def read_hdf5(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: dataset[()] for name, dataset in file.items()}


def read_sequences() -> list[str]:
    parts = FASTA.read_text("utf-8").split(">")[1:]
    return ["".join(part.split("\n")[1:]) for part in parts]


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("fp64", 5e-7)])
def test_golden(golden: list[np.ndarray], precision: Any, tolerance: float) -> None:
    elmo = spacy_elmo.load(SOURCE, precision=precision)
    outputs = elmo.embed(map(list, read_sequences()))
    for output, expected in zip(outputs, golden, strict=True):
        np.testing.assert_allclose(output.stack(), expected, atol=tolerance)


@pytest.mark.parametrize(("precision", "most", "tolerance"), [("fp32", 1e-3, 2e-5), ("fp64", 5e-5, 1e-6)])
def test_long_sequence(precision: Any, most: float, tolerance: float) -> None:
    """Longer than a batch. The small model is so lively that some errors of rounding grow a thousandfold."""
    random = np.random.default_rng(7)
    residues = [*random.choice([*"ACDEFGHIKLMNPQRSTVWY"], 3000).tolist()]
    elmo = spacy_elmo.load(TINY, precision=precision, max_batch_tokens=1000)
    outputs = elmo.embed([residues[:40], residues, residues[:5]])
    arrays, options = reference.read_hdf5(TINY / "weights.hdf5"), elmo.options.to_dict()
    for output, own in zip(outputs, (residues[:40], residues, residues[:5])):
        errors = np.abs(output.stack() - reference.layers(own, options, arrays))
        assert errors.max() < most
        assert np.quantile(errors, 0.99) < tolerance


@SLASH
@pytest.mark.parametrize(
    ("settings", "reduce"),
    [
        ({}, lambda array: array.sum(axis=0)),
        ({"reduce": "sum"}, lambda array: array.sum(axis=0)),
        ({"reduce": "average"}, lambda array: array.mean(axis=0)),
        ({"reduce": "top"}, lambda array: array[2]),
        ({"layers": "*"}, lambda array: array),
        ({"layers": ["lstm_outputs1"]}, lambda array: array[1:2]),
        ({"layers": ["word_emb", "lstm_outputs2"], "reduce": "sum"}, lambda array: array[0] + array[2]),
    ],
)
@pytest.mark.parametrize("pool", [None, "mean"])
def test_hdf5(golden: list[np.ndarray], tmp_path: Path, settings: Any, reduce: Any, pool: str | None) -> None:
    summary = embed(FASTA, SOURCE, tmp_path / "out.h5", pool=pool, **settings)
    assert (summary.n_sentences, summary.n_tokens) == (4, 92)
    found = read_hdf5(tmp_path / "out.h5")
    assert sorted(found) == sorted(NAMES)
    for name, array in zip(NAMES, golden):
        expected = reduce(array).mean(axis=-2) if pool else reduce(array)
        assert found[name].dtype == np.float32
        assert found[name].shape == expected.shape
        np.testing.assert_allclose(found[name], expected, atol=5e-5)


@SLASH
def test_attributes(tmp_path: Path) -> None:
    embed(FASTA, SOURCE, tmp_path / "out.h5", pool="mean")
    with h5py.File(tmp_path / "out.h5") as file:
        assert {name: dataset.attrs["original_id"] for name, dataset in file.items()} == dict(zip(NAMES, IDS))
        assert (file.attrs["reduce"], file.attrs["pool"]) == ("sum", "mean")


@pytest.mark.parametrize("pool", [None, "mean"])
def test_parquet(golden: list[np.ndarray], tmp_path: Path, pool: str | None) -> None:
    embed(FASTA, SOURCE, tmp_path / "out.parquet", pool=pool)
    table = parquet.read_table(tmp_path / "out.parquet")
    vectors = read_vectors(table, "sum")
    sequences = read_sequences()
    if pool is None:
        assert table.column_names == ["sentence", "id", "token", "text", "sum"]
        assert table["id"].to_pylist() == [id for id, text in zip(IDS, sequences) for _ in text]
        assert "".join(table["text"].to_pylist()) == "".join(sequences)
        assert table["token"].to_pylist() == [k for text in sequences for k in range(len(text))]
        expected = np.concatenate([array.sum(axis=0) for array in golden])
    else:
        assert table.column_names == ["sentence", "id", "n_tokens", "text", "sum"]
        assert table["id"].to_pylist() == IDS
        assert table["text"].to_pylist() == sequences
        assert table["n_tokens"].to_pylist() == [*map(len, sequences)]
        expected = np.array([array.sum(axis=0).mean(axis=0) for array in golden])
    np.testing.assert_allclose(vectors, expected, atol=5e-5)


@SLASH
def test_carried_state(tmp_path: Path) -> None:
    """In the order of the file, where the order affects the vectors."""
    embed(FASTA, SOURCE, tmp_path / "out.h5", initial_state="carry", batch_size=1, layers="*")
    elmo = spacy_elmo.load(SOURCE, initial_state="carry")
    found = read_hdf5(tmp_path / "out.h5")
    for name, residues in zip(NAMES, read_sequences()):
        np.testing.assert_allclose(found[name], elmo.embed([[*residues]])[0].stack(), atol=1e-6)


def make_fasta(path: Path, lengths: list[int]) -> Path:
    random = np.random.default_rng(3)
    with path.open("w") as file:
        for number, length in enumerate(lengths):
            file.write(f">s{number}\n{''.join(random.choice([*'ACDEFGHIKLMNPQRSTVWY'], length))}\n")
    return path


@pytest.mark.parametrize("held", [1, 64 * 200, 1 << 28])
@pytest.mark.parametrize("pool", [None, "mean"])
def test_order_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int, pool: str | None) -> None:
    """Whatever fits into memory, the rows are those of the file, and the progress grows."""
    monkeypatch.setattr(order, "HELD_BYTES", held)
    lengths = [5, 300, 2, 80, 80, 1, 150, 7, 299, 3]
    path = make_fasta(tmp_path / "a.fasta", lengths)
    shares: list[tuple[float, int]] = []

    def report(done: float, n_tokens: int) -> None:
        shares.append((done, n_tokens))

    embed(path, str(TINY), tmp_path / "out.parquet", pool=pool, max_batch_tokens=200, report=report)
    table = parquet.read_table(tmp_path / "out.parquet")
    ids = [f"s{number}" for number, length in enumerate(lengths) for _ in range(1 if pool else length)]
    assert table["id"].to_pylist() == ids
    assert shares == sorted(shares)
    assert shares[-1] == (1.0, sum(lengths))
    assert len(shares) == len(lengths)
    elmo = spacy_elmo.load(TINY)
    sequences = [part.split("\n")[1] for part in path.read_text().split(">")[1:]]
    summed = [output.stack().sum(axis=0) for output in elmo.embed(map(list, sequences))]
    expected = np.array([one.mean(axis=0) for one in summed]) if pool else np.concatenate(summed)
    np.testing.assert_allclose(read_vectors(table, "sum"), expected, atol=1e-5)


def test_batches_have_like_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    stream = spacy_elmo.elmo.Elmo.stream

    def spy(self: Any, sentences: Any, **settings: Any) -> Any:
        def watch() -> Any:
            for sentence in sentences:
                seen.append(len(sentence))
                yield sentence

        return stream(self, watch(), **settings)

    monkeypatch.setattr(spacy_elmo.elmo.Elmo, "stream", spy)
    monkeypatch.setattr(order, "HELD_BYTES", 80 * 100)  # a residue has 16 numbers, and 16 bytes more
    embed(make_fasta(tmp_path / "a.fasta", [10, 40, 20, 30, 5, 60, 15, 18]), str(TINY), tmp_path / "out.h5")
    # Windows of the first four and the others: longest first, then shortest first.
    assert seen == [40, 30, 20, 10, 5, 15, 18, 60]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, 32768), ({"max_batch_tokens": 100}, 100), ({"device": "cuda"}, None)],
)
def test_tokens_of_a_batch(settings: Any, expected: int | None) -> None:
    given = EmbedSettings(source="", **settings)
    assert given.choose_batch_tokens(has_ids=True).max_batch_tokens == expected
    assert given.choose_batch_tokens(has_ids=False) == given


def test_batches_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sequences run in large batches, also in a folder, unless there are texts or processes beside them."""
    seen: list[int | None] = []
    load = spacy_elmo.elmo.load

    def spy(*arguments: Any, **options: Any) -> Any:
        seen.append(options["max_batch_tokens"])
        return load(*arguments, **options)

    monkeypatch.setattr("spacy_elmo.elmo.load", spy)
    path, text = make_fasta(tmp_path / "a.fasta", [3, 5]), write(tmp_path / "b.txt", "a b\n")
    settings = EmbedSettings(source=str(TINY))
    embed(path, str(TINY), tmp_path / "out.h5")
    embed(text, str(TINY), tmp_path / "out.h5")
    embed_files([path], tmp_path / "out", settings)
    embed_files([path, text], tmp_path / "out", settings)
    assert seen == [32768, None, 32768, None]


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (">a\nM\n>b\nM\n>a\nK\n", r"EL307.*name 'a'.*'a' \(.*line 1\) and 'a' \(.*line 5\)"),
        (">a/b\nM\n>a_b\nK\n", r"EL307.*name 'a_b'.*'a/b' \(.*line 1\) and 'a_b' \(.*line 3\)"),
        (">a\n>b\n", r"EL062.*contains nothing to embed\. Check the files"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*WL09")
def test_refused(tmp_path: Path, text: str, match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.fasta", text)
    with pytest.raises(ValueError, match=match):
        embed(path, str(TINY), tmp_path / "out.h5")
    assert os.listdir(tmp_path) == ["a.fasta"]


def test_repeated_ids_in_a_table(tmp_path: Path) -> None:
    embed(write(tmp_path / "a.fasta", ">a\nMK\n>a\nV\n"), str(TINY), tmp_path / "out.parquet", pool="mean")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert (table["sentence"].to_pylist(), table["id"].to_pylist()) == ([0, 1], ["a", "a"])


def test_names_that_hdf5_has_not(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fasta", ">.\nM\n>/\nK\n>\u65e5\u672c\nV\n>..\nL\n")
    with pytest.warns(UserWarning, match="WL093"), pytest.raises(ValueError, match=r"EL307.*'_'.*'\.' .* and '/'"):
        embed(path, str(TINY), tmp_path / "out.h5")
    path = write(tmp_path / "a.fasta", ">.\nM\n>\u65e5\u672c\nV\n>..\nL\n>a//b/\nK\n")
    with pytest.warns(UserWarning, match=r"WL093.*out.h5': the dataset of '\.'.*: 2\."):
        embed(path, str(TINY), tmp_path / "out.h5")
    assert sorted(read_hdf5(tmp_path / "out.h5")) == sorted(["_", "\u65e5\u672c", "..", "a__b_"])


def test_settings_that_clash(tmp_path: Path, tiny: Path) -> None:
    text = write(tmp_path / "a.txt", "a b\n")
    for given, settings, match in (
        ([FASTA, text], {}, r"EL310.*a\.txt"),
        (text, {"ids": HeaderIds(1)}, r"EL311.*--id .*a\.txt"),
        (FASTA, {"lang": "en", "format": "fasta"}, "EL207"),
        (FASTA, {"pool": "max"}, r"EL030.*pool 'max'.*mean"),
        (FASTA, {"reduce": "max"}, r"EL030.*sum, average, top"),
        (FASTA, {"reduce": "top", "layers": ["elmo"]}, "EL065"),
        (FASTA, {"layers": ["nothing"]}, "EL030"),
    ):
        with pytest.raises(ValueError, match=match):
            embed(given, str(tiny), tmp_path / "out.h5", **settings)


def test_ids_of_fields(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fasta", ">sp|P1|A x\nMK\n>tr|P2|B y\nV\n")
    embed(path, str(TINY), tmp_path / "out.h5", ids=HeaderIds(1))
    assert sorted(read_hdf5(tmp_path / "out.h5")) == ["P1", "P2"]


@pytest.mark.parametrize("n_process", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_folder(tmp_path: Path, n_process: int) -> None:
    """FASTA beside text in one run: each by its own default; a file that fails stops no other."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    write(corpus / "a.fasta", ">x\nMKV\n")
    (corpus / "b.fa.gz").write_bytes(gzip.compress(b">y\nMK\n"))
    write(corpus / "bad.faa", ">z\nM-K\n")
    given = [corpus, write(tmp_path / "c.txt", "The end .\n")]
    settings = EmbedSettings(source=str(TINY), pool="mean")
    found = embed_files(given, tmp_path / "out", settings, n_process=n_process)
    assert (found.n_files, found.n_missing) == (3, 1)
    assert "EL306" in found.failures[0]
    assert read_hdf5(tmp_path / "out" / "a.fasta.h5")["x"].shape == (16,)
    assert read_hdf5(tmp_path / "out" / "b.fa.gz.h5")["y"].shape == (16,)
    assert read_hdf5(tmp_path / "out" / "c.txt.h5")["0"].shape == (3, 16)
    write(corpus / "bad.faa", ">z\nMK\n")
    found = embed_files(given, tmp_path / "out", settings, n_process=n_process, resume=True)
    assert (found.n_files, found.n_existing, found.n_missing) == (1, 3, 0)
    np.testing.assert_array_equal(
        read_hdf5(tmp_path / "out" / "bad.faa.h5")["z"], read_hdf5(tmp_path / "out" / "b.fa.gz.h5")["y"]
    )


def test_command(tmp_path: Path, tiny: Path) -> None:
    path = write(tmp_path / "a.fasta", ">sp|P1|A x\nMK\n>sp|P2|B x\nV\n")
    run("embed", path, "-s", tiny, "-o", tmp_path / "out.h5", "--id", "1", "--pool", "mean", "--top")
    assert {name: array.shape for name, array in read_hdf5(tmp_path / "out.h5").items()} == {
        "P1": (16,),
        "P2": (16,),
    }
    for options, match in (
        (("--sum", "--average"), "[EL065] --sum and --average"),
        (("--split-char", ";", "--id", "-1"), "[EL312]"),
    ):
        done = run("embed", path, "-s", tiny, "-o", tmp_path / "new.h5", *options, code=1)
        assert match in done.stderr


@pytest.mark.slow
def test_standard_input(tmp_path: Path, tiny: Path) -> None:
    command = [sys.executable, "-m", "spacy_elmo", "embed", "-", "-s", str(tiny), "-q", "--format", "fasta"]
    out = tmp_path / "out.h5"
    done = subprocess.run([*command, "-o", str(out)], input=b">a\nMKV\n", capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert read_hdf5(out)["a"].shape == (3, 16)
