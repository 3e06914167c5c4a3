"""Where the files of a source are; test_source.py has what is read of them."""

import shutil
import zipfile
from pathlib import Path

import pytest

from spacy_elmo.weights.catalogue import BUNDLED, BUNDLED_FOLDER
from spacy_elmo.weights.locate import find_in_folder
from spacy_elmo.weights.model_files import Files
from spacy_elmo.weights.source import find_files, is_local


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


def test_weights_without_options(pair: Files) -> None:
    assert pair.options is not None
    pair.options.unlink()
    with pytest.raises(FileNotFoundError, match=r"EL015.*elmo_x_options\.json and options\.json"):
        find_files(pair.weights)


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
    assert not is_local(["original", str(pair.weights)])
    for source in (BUNDLED, pair.weights, pair, tmp_path / "none"):
        assert is_local(source)  # type: ignore[arg-type]
    # A folder of that name is read in place of the model.
    (tmp_path / "original").mkdir()
    monkeypatch.chdir(tmp_path)
    assert is_local("original")
