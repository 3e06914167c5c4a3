import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import spacy_elmo
from spacy_elmo.cli.export import export
from spacy_elmo.weights.arrays import Arrays
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights
from tests.cli.command import run
from tests.data import TINY, Measured, read_case, shared_path
from tests.parity.cases import CASES

# Made by scripts/make_export_golden.py: a run of our own, and what AllenNLP embeds with its HDF5 pair.
GOLDEN = Path(__file__).parent.parent / "export"
RUN = GOLDEN / "run"
CHECKPOINT = "checkpoints/batch-000000150.safetensors"


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A copy of the run, to change."""
    shutil.copytree(RUN, tmp_path / "trained")
    return tmp_path / "trained"


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """A source with all that ours can have: softmax and vocabulary, scalar mix, warm state."""
    weights = read_weights(TINY)
    rng = np.random.default_rng(3)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    arrays = {
        **weights.arrays,
        "scalar_mix.weights": normal(3),
        "scalar_mix.gamma": normal(),
        "initial_state.hidden": normal(2, 2, 8),
        "initial_state.cell": normal(2, 2, 24),
        "softmax.weight": normal(5, 8),
        "softmax.bias": normal(5),
    }
    folder = tmp_path / "everything"
    write_folder(folder, weights.options, arrays)
    (folder / "vocab.txt").write_text("<S>\n</S>\n<UNK>\nthe\nZoë\n", "utf-8")
    return folder


def model_of_run(path: Path = RUN / CHECKPOINT) -> Arrays:
    tensors = safetensors.numpy.load_file(path)
    found = {name.removeprefix("model."): array for name, array in tensors.items() if name.startswith("model.")}
    return {name.removeprefix("bilm."): array for name, array in found.items()}


def assert_same(one: Arrays, two: Arrays) -> None:
    assert one.keys() == two.keys()
    for name, array in one.items():
        assert array.dtype == two[name].dtype, name
        np.testing.assert_array_equal(array, two[name], err_msg=name)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("format", ["the shipped pair", "hdf5", "safetensors"])
def test_allennlp_embeds_the_same(format: str, tmp_path: Path, measured: Measured) -> None:
    source = GOLDEN / "hdf5"
    if format != "the shipped pair":
        source = tmp_path / "model"
        export(RUN, source, format=format)
    case = read_case(GOLDEN, "allennlp")
    worst = np.zeros(3)
    for got, expected in zip(spacy_elmo.load(source).embed(case.sentences), case.expected):
        assert got.stack().shape == expected.shape
        worst = np.maximum(worst, np.abs(got.stack() - expected).max(axis=(1, 2)))
    measured(f"AllenNLP on what we trained, {format}: differences {worst.max():.1e}")
    assert worst[0] <= 1e-5
    assert worst[1:].max() <= 1e-4


def test_the_pair_that_allennlp_read(tmp_path: Path) -> None:
    exported = export(RUN, tmp_path / "pair", format="hdf5")
    assert exported.left_out == ["softmax"]
    assert_same(read_weights(tmp_path / "pair").arrays, read_weights(GOLDEN / "hdf5").arrays)
    for name in ("options.json", "vocab.txt"):
        assert (tmp_path / "pair" / name).read_bytes() == (GOLDEN / "hdf5" / name).read_bytes()


def test_a_run_as_our_folder(tmp_path: Path) -> None:
    exported = export(RUN, tmp_path / "a" / "model")
    weights = read_weights(tmp_path / "a" / "model")
    assert exported == (weights.n_parameters, [])
    assert_same(weights.arrays, model_of_run())
    assert weights.arrays["softmax.weight"].shape == (56, 8)
    for name in ("options.json", "vocab.txt"):
        assert (tmp_path / "a" / "model" / name).read_bytes() == (RUN / name).read_bytes()


def test_run_without_options(trained: Path, tmp_path: Path) -> None:
    """Runs begun before that file was written have the options in their checkpoints."""
    (trained / "options.json").unlink()
    export(trained, tmp_path / "model")
    assert (tmp_path / "model" / "options.json").read_bytes() == (RUN / "options.json").read_bytes()


def test_damaged_checkpoint(trained: Path, tmp_path: Path) -> None:
    damaged = trained / "checkpoints" / "batch-000000200.safetensors"
    damaged.write_bytes((trained / CHECKPOINT).read_bytes()[:-1])
    shutil.copy(trained / CHECKPOINT.replace("safetensors", "sha256"), damaged.with_suffix(".sha256"))
    with pytest.warns(UserWarning, match=r"WL002.*batch-000000200"):
        export(trained, tmp_path / "model")
    assert_same(read_weights(tmp_path / "model").arrays, model_of_run())
    (trained / CHECKPOINT).write_bytes(b"")
    with pytest.warns(UserWarning, match="WL002"), pytest.raises(ValueError, match="EL076"):
        export(trained, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", CASES)
def test_published_models(name: str, tmp_path: Path) -> None:
    """HDF5 to safetensors and back, bit for bit."""
    source = shared_path("parity") / name
    sentences = read_case(source).sentences[:4]
    expected = read_weights(source).arrays
    outputs = spacy_elmo.load(source).embed(sentences)
    for number, (start, format) in enumerate(
        [(source, "safetensors"), (source, "hdf5"), (tmp_path / "0", "hdf5"), (tmp_path / "1", "safetensors")]
    ):
        target = tmp_path / str(number)
        assert export(start, target, format=format).left_out == []
        assert_same(read_weights(target).arrays, expected)
        for got, wanted in zip(spacy_elmo.load(target).embed(sentences), outputs):
            np.testing.assert_array_equal(got.stack(), wanted.stack())


def test_everything_is_kept(everything: Path, tmp_path: Path) -> None:
    assert export(everything, tmp_path / "model").left_out == []
    assert contents(tmp_path / "model") == contents(everything)


def test_hdf5_says_what_it_leaves_out(everything: Path, tmp_path: Path) -> None:
    exported = export(everything, tmp_path / "model", format="hdf5")
    assert exported.left_out == ["softmax", "scalar mix", "warm state"]
    assert_same(read_weights(tmp_path / "model").arrays, read_weights(TINY).arrays)
    assert (tmp_path / "model" / "vocab.txt").read_bytes() == (everything / "vocab.txt").read_bytes()


@pytest.mark.parametrize("format", ["safetensors", "hdf5"])
def test_without_the_softmax(everything: Path, tmp_path: Path, format: str) -> None:
    target = tmp_path / "model"
    export(everything, target, format=format)
    assert (target / "vocab.txt").is_file()
    assert "softmax" in export(everything, target, format=format, softmax=False).left_out
    # That of the earlier export would be nobody's vocabulary.
    assert sorted(contents(target)) == ["options.json", f"weights.{format}"]
    weights = read_weights(target)
    assert not weights.has_softmax
    assert weights.has_mix == weights.has_warm_state == (format == "safetensors")


def test_half_precision(everything: Path, tmp_path: Path) -> None:
    export(everything, tmp_path / "half", dtype="float16")
    expected = {name: array.astype(np.float16) for name, array in read_weights(everything).arrays.items()}
    assert_same(read_weights(tmp_path / "half").arrays, expected)
    export(tmp_path / "half", tmp_path / "full")
    assert_same(
        read_weights(tmp_path / "full").arrays, {name: a.astype(np.float32) for name, a in expected.items()}
    )


def test_overflow(tmp_path: Path) -> None:
    weights = read_weights(TINY)
    arrays = dict(weights.arrays)
    arrays["char_encoder.projection.bias"] = np.full(8, 65536, np.float32)
    write_folder(tmp_path / "source", weights.options, arrays)
    export(TINY, tmp_path / "model")
    before = contents(tmp_path / "model")
    with pytest.raises(
        ValueError,
        match=r"EL086.*'char_encoder.projection.bias' contains 65536, but the largest number in float16",
    ):
        export(tmp_path / "source", tmp_path / "model", dtype="float16")
    assert contents(tmp_path / "model") == before


def test_what_there_is_not(tmp_path: Path) -> None:
    for settings, match in (
        ({"format": "pickle"}, r"EL030.*format 'pickle'\. Allowed: safetensors, hdf5"),
        ({"dtype": "bfloat16"}, r"EL030.*dtype 'bfloat16'\. Allowed: float32, float16"),
        ({"format": "hdf5", "dtype": "float16"}, r"EL085.*got dtype 'float16'.*safetensors"),
    ):
        with pytest.raises(ValueError, match=match):
            export(TINY, tmp_path / "model", **settings)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="EL010"):
        export(tmp_path / "nothing", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_export_is_replaced(everything: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    export(everything, target)
    (target / "README").write_text("mine")
    export(RUN, target)
    assert_same(read_weights(target).arrays, model_of_run())
    assert (target / "vocab.txt").read_bytes() == (RUN / "vocab.txt").read_bytes()
    assert (target / "README").read_text() == "mine"


def test_other_files_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("mine")
    (tmp_path / "sub").mkdir()
    export(TINY, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README",
        "options.json",
        "sub",
        "weights.safetensors",
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"options.json": "options.json", "weights.hdf5": "weights.hdf5"},
        {"elmo_options.json": "options.json", "elmo_weights.hdf5": "weights.hdf5"},
        {"options.json": "options.json"},
        {"model.bin": "weights.hdf5"},
        {"vocab.txt": "options.json"},
    ],
    ids=["another format", "published names", "options", "weights", "vocabulary"],
)
def test_other_model_is_kept(tmp_path: Path, files: dict[str, str]) -> None:
    target = tmp_path / "model"
    target.mkdir()
    for name, original in files.items():
        shutil.copy(TINY / original, target / name)
    before = contents(target)
    names = ", ".join(sorted(files))
    with pytest.raises(ValueError, match=rf"EL087.*the model in '.*model' \({names}\)\. Give another folder"):
        export(RUN, target)
    assert contents(target) == before


def test_own_source(everything: Path) -> None:
    before = contents(everything)
    for source in (everything, everything / "weights.safetensors", everything / "options.json"):
        with pytest.raises(ValueError, match=r"EL087.*its own source"):
            export(source, everything, dtype="float16")
    assert contents(everything) == before


def test_run_is_kept(trained: Path) -> None:
    before = contents(trained / "checkpoints")
    with pytest.raises(ValueError, match=r"EL087.*options.json, vocab.txt"):
        export(trained, trained)
    # Its model may be: that is an export.
    export(trained, trained / "model")
    export(trained, trained / "model", dtype="float16")
    assert contents(trained / "checkpoints") == before


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    with pytest.raises(ValueError, match=r"EL087.*which is a file"):
        export(TINY, tmp_path / "model")
    assert (tmp_path / "model").read_text() == "mine"


@pytest.mark.parametrize("where", ["everything", "trained"])
def test_a_vocabulary_of_another_model(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(where)
    with (folder / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("more\n")
    with pytest.raises(ValueError, match=r"EL08\d|EL09\d"):
        export(folder, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    done = run("export", RUN, tmp_path / "pair", "--format", "hdf5")
    assert done.stderr == (
        f"Wrote 10,392 parameters in float32 to {tmp_path / 'pair' / 'weights.hdf5'}. Left out: softmax.\n"
    )
    pair = [tmp_path / "pair" / name for name in ("options.json", "weights.hdf5")]
    done = run("export", *pair, tmp_path / "model", "--dtype", "float16", "--no-softmax")
    assert "in float16" in done.stderr
    assert "Left out" not in done.stderr
    assert sorted(contents(tmp_path / "model")) == ["options.json", "weights.safetensors"]
    assert {facts[0] for facts in read_facts(tmp_path / "model")["arrays"].values()} == {"float16"}
    assert (
        "EL085" in run("export", RUN, tmp_path / "other", "--format", "hdf5", "--dtype", "float16", code=1).stderr
    )


def read_facts(source: Path) -> Any:
    return json.loads(run("info", source, "--json").stdout)
