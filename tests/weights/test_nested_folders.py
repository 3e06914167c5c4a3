"""A model inside folders: of an archive, of links, and in Hugging Face's cache."""

import os
import shutil
from pathlib import Path

import pytest

from spacy_elmo.weights.locate import find_in_folder
from spacy_elmo.weights.model_files import Files
from spacy_elmo.weights.nested_folders import find_inner_folder
from spacy_elmo.weights.source import find_files, read_weights
from tests.platforms import can_link, links

REVISION = "f1b1ba1cdae2a5aee9f4ce4c8bc2ce3b4d9b3a73"


@pytest.fixture
def hub(tiny: Path, tmp_path: Path) -> Path:
    """A cache of Hugging Face's as huggingface_hub leaves it."""
    if not can_link():
        pytest.skip("no right to make symbolic links")
    hub = tmp_path / "hub"
    repository = hub / "models--owner--elmo"
    snapshot = repository / "snapshots" / REVISION
    for folder in (snapshot, repository / "blobs", repository / "refs", repository / ".no_exist", hub / ".locks"):
        folder.mkdir(parents=True)
    (hub / "version.txt").write_text("1")
    (repository / "refs" / "main").write_text(REVISION)
    for number, name in enumerate(("options.json", "weights.hdf5", "README.md")):
        blob = repository / "blobs" / (f"{number}" * 40)
        if name == "README.md":
            blob.write_text("text")
        else:
            shutil.copy(tiny / name, blob)
        (snapshot / name).symlink_to(Path("../../blobs", blob.name))
    return hub


@pytest.mark.parametrize(
    "place",
    [
        "",
        "models--owner--elmo",
        "models--owner--elmo/snapshots",
        f"models--owner--elmo/snapshots/{REVISION}",
        f"models--owner--elmo/snapshots/{REVISION}/weights.hdf5",
        f"models--owner--elmo/snapshots/{REVISION}/options.json",
        # Files without names.
        "models--owner--elmo/blobs",
    ],
)
def test_every_level_of_the_cache(hub: Path, tiny: Path, place: str) -> None:
    assert read_weights(hub / place).options == read_weights(tiny).options


def test_several_snapshots(hub: Path) -> None:
    snapshots = hub / "models--owner--elmo" / "snapshots"
    shutil.copytree(snapshots / REVISION, snapshots / "0123abc", symlinks=True)
    for place in (hub, snapshots.parent, snapshots):
        with pytest.raises(ValueError, match=rf"EL294.*2 snapshots of the repository \(0123abc, {REVISION}\)"):
            find_in_folder(place)
    assert find_in_folder(snapshots / "0123abc").weights.parent == snapshots / "0123abc"


def test_several_repositories(hub: Path) -> None:
    (hub / "models--owner--bert").mkdir()
    with pytest.raises(FileNotFoundError, match=r"EL013.*models--owner--bert, models--owner--elmo, version.txt"):
        find_in_folder(hub)


def test_incomplete_download(hub: Path) -> None:
    """The link to a file that was not downloaded leads to nothing; its options are not made up."""
    repository = hub / "models--owner--elmo"
    (repository / "blobs" / ("0" * 40)).rename(repository / "blobs" / "0.incomplete")
    with pytest.raises(FileNotFoundError, match=r"EL298.*options.json' is a link to a file that does not exist"):
        read_weights(repository)
    with pytest.raises(FileNotFoundError, match="EL298"):
        read_weights(repository / "snapshots" / REVISION / "weights.hdf5")


@links
def test_links_to_a_folder(tiny: Path, tmp_path: Path) -> None:
    """Two names of one folder, as current -> releases/2."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "current").symlink_to(tiny, target_is_directory=True)
    (tmp_path / "models" / "v2").symlink_to(tiny, target_is_directory=True)
    assert find_in_folder(tmp_path / "models") == Files(
        *(tmp_path / "models" / "current" / name for name in ("options.json", "weights.hdf5"))
    )
    (tmp_path / "models" / "v1").mkdir()
    with pytest.raises(FileNotFoundError, match=r"EL013.*current, v1, v2"):
        find_in_folder(tmp_path / "models")


@links
def test_links_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(ValueError, match="EL263"):
        find_in_folder(tmp_path)
    (tmp_path / "b").symlink_to("b")
    with pytest.raises(FileNotFoundError, match=r"EL013.*contains: a, b"):
        find_in_folder(tmp_path)


@pytest.mark.parametrize("link", [pytest.param(os.symlink, marks=links), os.link])
def test_two_names_of_weights_and_options(tiny: Path, tmp_path: Path, link: object) -> None:
    assert callable(link)
    folder = Path(shutil.copytree(tiny, tmp_path / "model"))
    link(folder / "weights.hdf5", folder / "elmo_weights.hdf5")
    link(folder / "options.json", folder / "elmo_options.json")
    assert read_weights(folder).options == read_weights(tiny).options
    found = find_files(folder)
    # Rather the name of the file itself than that of a symbolic link.
    expected = "weights.hdf5" if link is os.symlink else "elmo_weights.hdf5"
    assert (found.weights.name, found.weights.parent) == (expected, folder)
    # A copy is another file.
    shutil.copy(folder / "weights.hdf5", folder / "copy.hdf5")
    with pytest.raises(ValueError, match="EL014"):
        find_files(folder)


@links
def test_a_model_elsewhere(tiny: Path, tmp_path: Path) -> None:
    """Links of the user's own folders may lead anywhere."""
    for name in ("options.json", "weights.hdf5"):
        (tmp_path / name).symlink_to(tiny / name)
    assert read_weights(tmp_path).options == read_weights(tiny).options


def test_what_is_inside(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    assert find_inner_folder(tmp_path, [tmp_path / "only"]) == tmp_path / "only"
    assert find_inner_folder(tmp_path, []) is None
    (tmp_path / "file").touch()
    assert find_inner_folder(tmp_path, [tmp_path / "only", tmp_path / "file"]) is None
    # A folder of that name alone is no cache.
    (tmp_path / "snapshots").mkdir()
    assert find_inner_folder(tmp_path, [tmp_path / "only", tmp_path / "snapshots"]) is None
