"""Where the files of a source are; test_source.py has what is read of them."""

import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from spacy_elmo.errors import ElmoImportError, Errors
from spacy_elmo.weights.catalogue import BUNDLED, BUNDLED_FOLDER
from spacy_elmo.weights.locate import find_in_folder
from spacy_elmo.weights.model_files import Files
from spacy_elmo.weights.source import find_files, is_local, read_weights
from tests.data import ROOT, TINY


@pytest.fixture
def pair(tiny: Path, tmp_path: Path) -> Files:
    """Options and weights under the names that AllenNLP gives them."""
    return Files(
        Path(shutil.copy(tiny / "options.json", tmp_path / "elmo_x_options.json")),
        Path(shutil.copy(tiny / "weights.hdf5", tmp_path / "elmo_x_weights.hdf5")),
    )


def test_one_of_a_pair_finds_the_other(pair: Files) -> None:
    assert pair.options is not None
    assert find_files(pair.weights) == find_files(str(pair.options)) == pair
    # The name of the pair comes before the general one.
    shutil.copy(pair.options, pair.options.with_name("options.json"))
    assert find_files(pair.weights) == pair


def test_first_two_layers(pair: Files, tmp_path: Path) -> None:
    """UKP's names, which end with neither options nor weights."""
    assert pair.options is not None
    files = Files(
        pair.options.rename(tmp_path / "elmo_x_options_first_two_layers.json"),
        pair.weights.rename(tmp_path / "elmo_x_weights_first_two_layers.hdf5"),
    )
    assert files.options is not None
    for source in (tmp_path, str(files.options), files.weights):
        assert find_files(source) == files


def test_a_pair_in_either_order(pair: Files) -> None:
    assert find_files(pair) == find_files(tuple(reversed(pair))) == pair  # type: ignore[arg-type]


def test_a_folder_within_folders(pair: Files, tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "middle" / "model"
    inner.mkdir(parents=True)
    (tmp_path / "outer" / ".hidden").touch()
    for path in pair.paths:
        path.rename(inner / path.name)
    assert find_files(tmp_path / "outer") == Files(*(inner / path.name for path in pair.paths))


def test_an_archive_alone(pair: Files, tmp_path: Path) -> None:
    (tmp_path / "packed").mkdir()
    archive = tmp_path / "packed" / "model.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in pair.paths:
            file.write(path, path.name)
    assert find_files(tmp_path / "packed") == find_files(archive) == Files(None, archive)


def test_the_bundled_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name, whatever lies in the current folder."""
    (tmp_path / BUNDLED).mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_files(BUNDLED).weights.parent == BUNDLED_FOLDER


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", "EL027"),
        (3, "EL027"),
        ([1, 2], "EL027"),
        ([], "EL025"),
        (["a"], "EL025"),
        (["a", "b", "c"], "EL025"),
    ],
)
def test_no_source(source: object, code: str) -> None:
    with pytest.raises(ValueError, match=code):
        find_files(source)  # type: ignore[arg-type]


def test_a_folder_in_a_pair(pair: Files, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="EL028"):
        find_files([str(pair.options), tmp_path])


def test_misspelt(pair: Files, tmp_path: Path) -> None:
    """The message has what is similar in the catalogue, or in the same folder."""
    with pytest.raises(FileNotFoundError, match=r"(?s)EL010.*original"):
        find_files("orignal")
    with pytest.raises(FileNotFoundError, match=r"(?s)EL026.*elmo_x_weights\.hdf5"):
        find_files([str(pair.options), tmp_path / "elmo_x_weight.hdf5"])
    with pytest.raises(FileNotFoundError, match="Nothing there has a similar name"):
        find_files(tmp_path / "none" / "q")


def test_weights_without_options(pair: Files, tmp_path: Path) -> None:
    assert pair.options is not None
    pair.options.unlink()
    assert find_files(pair.weights) == find_in_folder(tmp_path) == Files(None, pair.weights)


@pytest.mark.parametrize("name", ["SO_elmo_option.json", "options_file", "options_of_ours.json", "about"])
def test_options_of_other_names(pair: Files, tmp_path: Path, name: str) -> None:
    """By what is in them."""
    assert pair.options is not None
    options = pair.options.rename(tmp_path / name)
    (tmp_path / "meta.json").write_text('{"lstm": 1, "char_cnn": {}}', "utf-8")
    (tmp_path / "list.json").write_text("[]", "utf-8")
    (tmp_path / "twice.json").write_text('{"a": 1, "a": 2}', "utf-8")
    assert (
        find_files(pair.weights) == find_files(options) == find_in_folder(tmp_path) == Files(options, pair.weights)
    )


def test_bio_embeddings(tiny: Path, tmp_path: Path) -> None:
    """Its cache of SeqVec has files without endings."""
    files = Files(
        Path(shutil.copy(tiny / "options.json", tmp_path / "options_file")),
        Path(shutil.copy(tiny / "weights.hdf5", tmp_path / "weights_file")),
    )
    assert files.options is not None
    pair = [str(files.options), str(files.weights)]
    for source in (tmp_path, str(files.options), files.weights, pair, pair[::-1]):
        assert find_files(source) == files
    # The name of the pair comes before the general one.
    shutil.copy(files.options, tmp_path / "options.json")
    shutil.copy(files.weights, tmp_path / "weights.hdf5")
    assert find_files(files.weights) == find_files(str(files.options)) == files


def test_damaged_options(pair: Files, tmp_path: Path) -> None:
    """They have the name of options, and are not done without."""
    assert pair.options is not None
    pair.options.rename(tmp_path / "options_file").write_text("{", "utf-8")
    for source in (tmp_path, pair.weights):
        with pytest.raises(ValueError, match=r"EL005.*options_file is not valid JSON"):
            read_weights(source)


@pytest.mark.parametrize("epoch", ["", "epochs/0/", "epochs/00010/"])
def test_saves(tmp_path: Path, epoch: str) -> None:
    """DeepPavlov's folder of a language model, whatever is in the checkpoint."""
    folder = tmp_path / "saves" / epoch
    for number in ("9", "5", "x"):
        (tmp_path / "saves" / "epochs" / number).mkdir(parents=True)
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "model.index"
    index.write_bytes(bytes.fromhex("57fb808b247547db"))
    (folder / "model.data-00000-of-00001").touch()
    (tmp_path / "options.json").write_text("{}", "utf-8")
    expected = Files(tmp_path / "options.json", index)
    assert expected.folders == [folder, tmp_path]
    for source in (tmp_path, folder, index, folder / "model", folder / "model.data-00000-of-00001"):
        assert find_files(source) == expected
    assert find_files(tmp_path / "options.json") == expected
    (tmp_path / "options.json").rename(folder / "options.json")
    assert find_files(index).options == folder / "options.json"


def test_options_without_weights(pair: Files) -> None:
    pair.weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"EL013.*'elmo_x_options\.json' and no weights"):
        find_files(str(pair.options))


def test_two_models_in_a_folder(pair: Files, tmp_path: Path) -> None:
    shutil.copy(pair.weights, tmp_path / "other_weights.hdf5")
    with pytest.raises(ValueError, match=r"EL014.*elmo_x_weights\.hdf5, other_weights\.hdf5"):
        find_in_folder(tmp_path)


def test_folders_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"EL013.*nothing"):
        find_in_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("words", "utf-8")
    with pytest.raises(FileNotFoundError, match=r"EL013.*notes\.txt"):
        find_in_folder(tmp_path)
    (tmp_path / "model.bin").write_bytes(b"\x80\x02]q\x00.")
    with pytest.raises(ValueError, match=r"EL017.*model\.bin"):
        find_in_folder(tmp_path)


def test_too_many_folders(tmp_path: Path) -> None:
    tmp_path.joinpath(*"d" * 41).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"EL263.*40"):
        find_in_folder(tmp_path)


def test_what_needs_a_download(pair: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_local("original")
    for source in (BUNDLED, pair.weights, pair, tmp_path / "none"):
        assert is_local(source)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "original").mkdir()
    assert not is_local("original")
    # A model in a folder of that name is read in place of the published one.
    for path in pair:
        if path is not None:
            shutil.copy(path, tmp_path / "original")
    assert is_local("original")


def test_many_checkpoints(pair: Files, tmp_path: Path) -> None:
    """Without TensorFlow's note, a message that names some of them; one of them may be given."""
    pair.weights.unlink()
    for number in range(30):
        (tmp_path / f"model.ckpt-{number}.index").write_bytes(bytes.fromhex("57fb808b247547db"))
    with pytest.raises(ValueError, match=r"EL014.*model.ckpt-0.index, .*model.ckpt-15.index and 22 more\)"):
        find_files(tmp_path)
    assert find_files(tmp_path / "model.ckpt-7").weights.name == "model.ckpt-7.index"
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/home/of/another/model.ckpt-21"\n', "utf-8")
    assert find_files(tmp_path).weights.name == "model.ckpt-21.index"


def test_a_mark_before_options(pair: Files, tmp_path: Path) -> None:
    """Windows' editors write one. AllenNLP could not read them; their name says nothing."""
    assert pair.options is not None
    options = pair.options.rename(tmp_path / "about.json")
    options.write_bytes(b"\xef\xbb\xbf" + options.read_bytes())
    assert find_files(pair.weights) == find_files(tmp_path) == Files(options, pair.weights)
    assert read_weights(tmp_path).options.lstm.proj_clip == 1.5


def test_options_of_other_weights(pair: Files, tmp_path: Path) -> None:
    """The general name of weights goes with the general name of options, where that is there."""
    assert pair.options is not None
    weights = pair.weights.rename(tmp_path / "weights.hdf5")
    assert find_files(pair.options) == Files(pair.options, weights)
    shutil.copy(pair.options, tmp_path / "options.json")
    with pytest.raises(ValueError, match=r"EL014.*elmo_x_options.json, options.json"):
        find_files(pair.options)


def test_swapped_pairs(tmp_path: Path, pair: Files) -> None:
    """Also if the options are damaged, or are a configuration of AllenNLP's with comments."""
    broken = tmp_path / "broken.json"
    broken.write_text("// {", "utf-8")
    for source in ([broken, pair.weights], [pair.weights, broken]):
        with pytest.raises(ValueError, match=r"EL005.*broken.json is not valid JSON"):
            read_weights(source)
    shutil.unpack_archive(ROOT / "tests/allennlp/model.tar.gz", tmp_path / "archive", filter="data")
    config, weights = tmp_path / "archive/config.json", tmp_path / "archive/weights.th"
    config.write_text(f"// edited\n{config.read_text('utf-8')}", "utf-8")
    assert read_weights([weights, config]).options == read_weights([config, weights]).options


# AllenNLP's folders


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a training run: a state of each epoch, the best one, and the archive made of it."""
    folder, archive = tmp_path / "run", ROOT / "tests/allennlp/model.tar.gz"
    shutil.unpack_archive(archive, folder, filter="data")
    shutil.copy(archive, folder)
    (folder / "options.json").unlink()
    (folder / "weights.th").rename(folder / "best.th")
    for number in range(3):
        state = torch.load(folder / "best.th", weights_only=True)
        torch.save(
            {name: tensor * 0.5 for name, tensor in state.items()}, folder / f"model_state_epoch_{number}.th"
        )
        torch.save({"optimizer": {"state": {}}, "epoch": number}, folder / f"training_state_epoch_{number}.th")
    return folder


def test_training_run(run: Path) -> None:
    """The archive has the options; without it, AllenNLP reads the best state."""
    archive = Files(None, run / "model.tar.gz")
    assert find_files(run) == find_files(run / "config.json") == archive
    expected = read_weights(run)
    assert expected.options.lstm.proj_clip == 1.5
    (run / "model.tar.gz").unlink()
    best = Files(run / "config.json", run / "best.th")
    assert find_files(run) == find_files(run / "config.json") == find_files(run / "best.th") == best
    with pytest.warns(UserWarning, match=r"WL014.*names the options 'tests/tiny/options.json'.*\(2 LSTM.*: skip"):
        found = read_weights(run)
    assert all(np.array_equal(found.arrays[name], array) for name, array in expected.arrays.items())
    shutil.copy(TINY / "options.json", run)
    assert read_weights(run).options == expected.options


def test_one_state_of_a_run(run: Path) -> None:
    """Whichever is given, with the options that the configuration names."""
    state = run / "model_state_epoch_1.th"
    config = (run / "config.json").read_text("utf-8")
    (run / "config.json").write_text(config.replace("tests/tiny/options.json", "/home/of/another/tiny"), "utf-8")
    shutil.copy(TINY / "options.json", run / "tiny")
    (run / "tiny").write_bytes(b"\n" + (run / "tiny").read_bytes())
    assert read_weights(state).options.lstm.proj_clip == 1.5
    # Options beside it need no configuration.
    shutil.copy(TINY / "options.json", run)
    assert find_files(state) == Files(run / "options.json", state)


def test_state_beside_a_checkpoint(run: Path) -> None:
    """The file that was given is read, not what the folder has of another format."""
    for name in ("config.json", "model.tar.gz"):
        (run / name).unlink()
    weights = (run / "best.th").rename(run / "weights.th")
    shutil.copy(TINY / "options.json", run)
    (run / "model.ckpt-1.index").write_bytes(bytes.fromhex("57fb808b247547db"))
    assert find_files(weights) == Files(run / "options.json", weights)


def test_archive_beside_weights(pair: Files, tmp_path: Path) -> None:
    """A pair comes first, such as the one that the training started from; weights alone come last."""
    shutil.copy(ROOT / "tests/allennlp/model.tar.gz", tmp_path)
    (tmp_path / "config.json").write_text("{}", "utf-8")
    assert find_files(tmp_path) == pair
    assert pair.options is not None
    pair.options.unlink()
    assert find_files(tmp_path) == Files(None, tmp_path / "model.tar.gz")


def test_missing_package_of_an_archive(pair: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the archive, not the folder that it is unpacked into."""

    def refuse(options: Path, weights: Path) -> None:
        raise ElmoImportError(Errors.EL024.format(path=weights, package="h5py"))

    archive = tmp_path / "packed" / "model.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as file:
        for path in pair.paths:
            file.write(path, path.name)
    monkeypatch.setattr("spacy_elmo.weights.formats.hdf5.read", refuse)
    with pytest.raises(
        ImportError,
        match=rf"EL024\] '{re.escape(str(archive))}[/\\]elmo_x_weights.hdf5' requires the package h5py",
    ):
        read_weights(archive)
