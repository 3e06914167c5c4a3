"""Weights without options: the arrays determine all sizes, and a warning says what is assumed."""

import json
import shutil
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.options import Options
from spacy_elmo.weights.arrays import Weights
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.formats.hdf5 import write_hdf5
from spacy_elmo.weights.source import find_files, read_weights
from tests.data import ROOT
from tests.word_models import write_model

TWO_MIXES = ROOT / "tests/allennlp/two_mixes/weights.th"
SENTENCES = [["It", "is", "for", "us"], ["the", "living"]]


def read(source: object, match: str = "WL084") -> Weights:
    """Reads a source with exactly one warning."""
    with pytest.warns(UserWarning, match=match) as caught:
        weights = read_weights(source)  # type: ignore[arg-type]
    assert len(caught) == 1
    return weights


def make(kind: str, folder: Path, tiny: Path) -> Path:
    """Weights alone in a folder."""
    folder.mkdir(exist_ok=True)
    if kind == "hdf5":
        return Path(shutil.copy(tiny / "weights.hdf5", folder / "elmo_weights.hdf5"))
    if kind == "safetensors":
        weights = read_weights(tiny)
        write_folder(folder, weights.options, weights.arrays)
        (folder / "options.json").unlink()
        return folder / "weights.safetensors"
    name = {"th": "weights.th", "bin": "pytorch_model.bin", "pt": "my elmo.pt"}[kind]
    state = torch.load(TWO_MIXES, weights_only=True)
    torch.save(state, folder / name, _use_new_zipfile_serialization=kind != "pt")
    return folder / name


def assumed(tiny: Path) -> Options:
    """The options of the tiny model, whose projections are clipped at 1.5, as they are inferred."""
    data = json.loads((tiny / "options.json").read_text("utf-8"))
    assert data["lstm"]["proj_clip"] == 1.5
    data["lstm"]["proj_clip"] = 3
    return Options.from_dict(data)


KINDS = ["hdf5", "safetensors", "th", "bin", "pt"]


@pytest.mark.parametrize("kind", KINDS)
def test_file_and_folder(tiny: Path, tmp_path: Path, kind: str) -> None:
    path = make(kind, tmp_path / "model", tiny)
    expected = read_weights(tiny).arrays
    for source in (path, tmp_path / "model"):
        found = read(
            source,
            rf"WL084.*{path.name}' has no options beside it.*2 LSTM layers of 24 cells projected to 8, 20 filters"
            r", 1 highway layer.*skip connections, clips of cells and projections at 3, relu after the filters, "
            r"50 bytes a token\..*options\.json gives certainty.*the pair \[options, weights\]",
        )
        assert found.options == assumed(tiny)
        assert all(np.array_equal(found.arrays[name], array) for name, array in expected.items())


@pytest.mark.parametrize("kind", KINDS)
def test_options_elsewhere(tiny: Path, tmp_path: Path, kind: str) -> None:
    """Who has them gives the pair, or puts them beside, and gets no warning."""
    path = make(kind, tmp_path / "model", tiny)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = read_weights(tiny).options
        assert read_weights([tiny / "options.json", path]).options == expected
        assert read_weights([path, tiny / "options.json"]).options == expected
        for name in ("options.json", "SO_elmo_option.json", "about.json"):
            other = Path(shutil.copy(tiny / "options.json", path.with_name(name)))
            for source in (path, path.parent, other):
                assert read_weights(source).options == expected
            other.unlink()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["zip", "gztar", "xztar"])
def test_archives(tiny: Path, tmp_path: Path, kind: str, ending: str) -> None:
    path = make(kind, tmp_path / "model", tiny)
    archive = shutil.make_archive(str(tmp_path / "elmo"), ending, tmp_path / "model")
    found = read(archive, rf"WL084.*{archive}/{path.name}' has no options")
    assert found.options == assumed(tiny)


@pytest.mark.parametrize("prefix", ["", "_elmo_lstm.", "_elmo._elmo_lstm.", "model.elmo._elmo._elmo_lstm."])
def test_states_of_every_module(tiny: Path, tmp_path: Path, prefix: str) -> None:
    """Of _ElmoBiLm, Elmo, ElmoTokenEmbedder, and of a model around it."""
    state = torch.load(TWO_MIXES, weights_only=True)
    state = {name.replace("_elmo_lstm.", prefix, 1): part for name, part in state.items() if "mix" not in name}
    torch.save({**state, **({"head.weight": torch.zeros(2)} if prefix else {})}, tmp_path / "state.bin")
    found = read(tmp_path / "state.bin")
    assert found.options == assumed(tiny)
    assert all(np.array_equal(found.arrays[name], array) for name, array in read_weights(tiny).arrays.items())


def test_embeds_as_published(parity: Path, tmp_path: Path) -> None:
    """Where the assumptions hold, the vectors are the same to the bit."""
    expected = spacy_elmo.load(parity / "bilm/base").embed(SENTENCES)
    shutil.copy(parity / "bilm/base/weights.hdf5", tmp_path)
    with pytest.warns(UserWarning, match="WL084"):
        found = spacy_elmo.load(tmp_path).embed(SENTENCES)
    assert all(np.array_equal(one.stack(), other.stack()) for one, other in zip(found, expected))


@pytest.mark.parametrize("case", ["one_layer", "tanh_deep", "realistic"])
def test_sizes(parity: Path, tmp_path: Path, case: str) -> None:
    expected = read_weights(parity / "bilm" / case).options
    shutil.copy(parity / "bilm" / case / "weights.hdf5", tmp_path)
    found = read(tmp_path).options
    assert found.lstm == expected.lstm
    assert (found.char_cnn.filters, found.char_cnn.n_highway) == (
        expected.char_cnn.filters,
        expected.char_cnn.n_highway,
    )
    assert found.char_cnn.activation == "relu"


def test_a_layer_taken_out(tiny: Path, tmp_path: Path) -> None:
    """Everything follows from the arrays: nothing is said of skip connections, which one layer has none of."""
    path = make("hdf5", tmp_path, tiny)
    with h5py.File(path, "r+") as file:
        for d in (0, 1):
            del file[f"RNN_{d}/RNN/MultiRNNCell/Cell1"]
    with pytest.warns(UserWarning, match=r"WL084.*1 LSTM layer of 24 cells.*: clips of cells"):
        found = read_weights(path)
    assert found.options.lstm.n_layers == 1
    expected = read_weights(tiny).arrays
    assert all(np.array_equal(expected[name], array) for name, array in found.arrays.items())
    # One direction has more layers than the other: no model.
    path = make("hdf5", tmp_path, tiny)
    with h5py.File(path, "r+") as file:
        del file["RNN_1/RNN/MultiRNNCell/Cell1"]
    with pytest.raises(ValueError, match=r"EL019.*RNN_1/.*Cell1"):
        read_weights(path)


@pytest.mark.parametrize("kind", ["hdf5", "safetensors"])
@pytest.mark.parametrize("case", ["no_projection", "no_cnn_proj", "no_highway"])
def test_parts_that_are_not_there(parity: Path, tmp_path: Path, case: str, kind: str) -> None:
    expected = read_weights(parity / "bilm_tf_only" / case)
    if kind == "hdf5":
        write_hdf5(tmp_path / "weights.hdf5", expected.options, expected.arrays)
    else:
        write_folder(tmp_path, expected.options, expected.arrays)
        (tmp_path / "options.json").unlink()
    # Without projections, their clip has no effect, and none is assumed.
    what = "cells without a projection.*clips of cells at 3" if case == "no_projection" else "projected to"
    found = read(tmp_path, f"WL084.*{what}")
    sizes = ("dim", "projection_dim", "n_layers", "has_projection")
    for name in sizes:
        assert getattr(found.options.lstm, name) == getattr(expected.options.lstm, name)
    assert found.options.char_cnn.n_highway == expected.options.char_cnn.n_highway
    assert found.options.has_char_projection == expected.options.has_char_projection
    assert found.arrays.keys() == expected.arrays.keys()


def test_own_vocabulary(parity: Path, tmp_path: Path) -> None:
    """It is nowhere but in the options."""
    sources = [parity / "manylangs/char", parity / "manylangs/word_char", write_model(tmp_path / "words")]
    for source in sources:
        spacy_elmo.load(source).save(tmp_path / "saved")
        (tmp_path / "saved/options.json").unlink()
        with pytest.raises(ValueError, match=r"EL297.*weights.safetensors' reads tokens with its own vocabulary"):
            read_weights(tmp_path / "saved")


def test_two_options_beside(tiny: Path, tmp_path: Path) -> None:
    path = make("hdf5", tmp_path, tiny)
    for name in ("a_options.json", "b_options.json"):
        shutil.copy(tiny / "options.json", tmp_path / name)
    for source in (path, tmp_path):
        with pytest.raises(
            ValueError, match=r"EL014.*more than one options file \(a_options.json, b_options.json\)"
        ):
            read_weights(source)
    # Those of another pair are not these weights' own.
    shutil.copy(path, tmp_path / "a_weights.hdf5")
    assert find_files(path).options == tmp_path / "b_options.json"
    (tmp_path / "b_options.json").unlink()
    assert find_files(path).options is None


def test_two_weights(tiny: Path, tmp_path: Path) -> None:
    make("hdf5", tmp_path, tiny)
    make("bin", tmp_path, tiny)
    with pytest.raises(
        ValueError, match=r"EL014.*more than one weights file \(elmo_weights.hdf5, pytorch_model.bin"
    ):
        read_weights(tmp_path)


def test_other_pickles_beside(tiny: Path, tmp_path: Path) -> None:
    path = make("bin", tmp_path, tiny)
    torch.save({"classifier.weight": torch.zeros(2)}, tmp_path / "classifier.bin")
    (tmp_path / "config.json").write_text('{"model_type": "elmo"}', "utf-8")
    assert find_files(tmp_path) == (None, path)
    assert read(tmp_path).options == assumed(tiny)


@pytest.mark.parametrize("kind", ["hdf5", "safetensors"])
def test_no_bilm(tmp_path: Path, kind: str) -> None:
    if kind == "hdf5":
        with h5py.File(tmp_path / "vectors.hdf5", "w") as file:
            file["0"] = np.zeros(3)
    else:
        write_folder(tmp_path, Options.from_dict(json.loads((ROOT / "tests/tiny/options.json").read_text())), {})
        (tmp_path / "options.json").unlink()
    path = next(tmp_path.iterdir())
    with pytest.raises(FileNotFoundError, match="EL013"):
        read_weights(tmp_path)
    with pytest.raises(ValueError, match=r"EL135.*does not contain a complete biLM|EL019"):
        read_weights(path)


def test_huge_claims(tiny: Path, tmp_path: Path) -> None:
    """Sizes that a file claims are compared with its bytes before anything is made of them."""
    path = make("hdf5", tmp_path, tiny)
    with h5py.File(path, "r+") as file:
        del file["CNN/W_cnn_0"], file["CNN/b_cnn_0"]
        file.create_dataset("CNN/W_cnn_0", shape=(1, 1, 4, 1 << 36), dtype="f4", chunks=(1, 1, 4, 1 << 18))
        file.create_dataset("CNN/b_cnn_0", shape=(1 << 36,), dtype="f4", chunks=(1 << 18,))
    with pytest.raises(ValueError, match=r"EL020|EL132.*claims the shape|EL261"):
        read_weights(path)
