import zipfile
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


@pytest.mark.parametrize("names", [("medium", "small"), ("medium", "/models/small"), ("en_sm", "medium")])
def test_two_names(names: "tuple[str, str]", tmp_path: Path) -> None:
    """None is dropped in silence."""
    done = run("download", *names, code=1)
    assert "[EL287] `download` takes one name or address" in done.stderr
    assert " ".join(names) in done.stderr
    assert not (tmp_path / "cache").exists()


def test_the_bundled_one() -> None:
    done = run("download", "en_sm")
    assert done.stdout == f"{BUNDLED_FOLDER}\n"
    assert "comes with the package" in done.stderr
    assert run("download", "en_sm", "--quiet").stderr == ""


def zip_tiny(tiny: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("options.json", "weights.hdf5"):
            archive.write(tiny / name, name)


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_a_non_commercial_licence(quiet: "list[str]", tiny: Path, tmp_path: Path, mirror: Path) -> None:
    """It is said before the download, once, whether others are told or not."""
    terms = "catelmo: its licence, CC BY-NC-ND 4.0, does not allow commercial use\n"
    assert run("download", "catelmo", *quiet, code=1).stderr.startswith(terms)
    zip_tiny(tiny, mirror / "catelmo.zip")
    done = run("download", "catelmo", *quiet)
    assert done.stderr.startswith(terms)
    assert done.stderr.count("commercial") == 1
    assert done.stdout == f"{tmp_path / 'cache' / 'models' / 'catelmo'}\n"
    assert run("download", "catelmo", *quiet).stderr == ""
    assert "commercial" not in run("download", "medium", *quiet).stderr


def test_a_non_commercial_source(tiny: Path, mirror: Path) -> None:
    zip_tiny(tiny, mirror / "catelmo-deep.zip")
    address = "https://www.dropbox.com/sh/ua1x0ateod5ntui/AAANxH8OrJn_pcZY8SwyiypDa?dl=0"
    done = run("export", address, mirror / "exported")
    assert done.stderr.startswith("catelmo-deep: its licence, CC BY-NC-ND 4.0, does not allow commercial use\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stackoverflow", "[EL321] The model 'stackoverflow' has no files"),
        ("https://bit.ly/2SV0bPc", "by hand from https://bit.ly/2SV0bPc into a folder"),
        ("transformer-elmo", "[EL320]"),
        ("http://magnitude.plasticity.ai/elmo/light/x.magnitude", "use small, medium or original"),
    ],
)
def test_no_files(name: str, words: str, tmp_path: Path) -> None:
    done = run("download", name, code=1)
    assert words in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "cache").exists()


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
