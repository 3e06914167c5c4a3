from pathlib import Path

import pytest

from spacy_elmo.weights.catalogue import BUNDLED_FOLDER, CATALOGUE
from tests.cli.command import run


@pytest.fixture(autouse=True)
def mirror(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy on disk of what is published, with a small model for a medium one."""
    folder = tmp_path / "mirror"
    for file, name in zip(CATALOGUE["medium"].files, ("options.json", "weights.hdf5")):
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.path).write_bytes((tiny / name).read_bytes())
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPACY_ELMO_MIRROR", folder.as_uri())
    return folder


def test_a_model(tmp_path: Path, mirror: Path) -> None:
    done = run("download", "medium")
    folder = tmp_path / "cache" / "models" / "medium"
    assert done.stdout == f"{folder}\n"
    assert done.stderr == "Fetching medium from a folder\n"
    assert "9,552" in run("info", folder).stdout
    again = run("download", "medium")
    assert (again.stdout, again.stderr) == (f"{folder}\n", "")
    weights = folder / CATALOGUE["medium"].files[1].name
    weights.write_bytes(b"changed")
    assert "EL145" in run("download", "medium", code=1).stderr
    forced = run("download", "medium", "--force", "--quiet")
    assert (forced.stdout, forced.stderr) == (f"{folder}\n", "")
    assert weights.stat().st_size > 7


def test_the_bundled_one() -> None:
    done = run("download", "en_sm")
    assert done.stdout == f"{BUNDLED_FOLDER}\n"
    assert "comes with the package" in done.stderr
    assert run("download", "en_sm", "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("name", "words"), [("meduim", "Closest: medium"), ("", "EL140"), ("tfhub/elmo/4", "Closest: tfhub/elmo/3")]
)
def test_no_such_model(name: str, words: str, tmp_path: Path) -> None:
    done = run("download", name, code=1)
    assert "EL140" in done.stderr
    assert words in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "cache").exists()


def test_what_the_mirror_lacks(mirror: Path) -> None:
    done = run("download", "small", code=1)
    assert "EL141" in done.stderr
    assert mirror.as_uri() in done.stderr
    assert "Traceback" not in done.stderr
