"""Every model with files is downloaded and read: from small models of its layout, at its own paths on a mirror."""

import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from spacy_elmo.weights import catalogue
from spacy_elmo.weights.arrays import softmax_facts
from spacy_elmo.weights.catalogue import CATALOGUE, Entry
from spacy_elmo.weights.fetch.model_cache import fetch
from spacy_elmo.weights.source import read_weights
from tests.data import ROOT

# Files of the small model in an archive, by what the makers of each call theirs.
MEMBERS = {
    "seqvec/zip": ("uniref50_v2/options.json", "uniref50_v2/weights.hdf5"),
    "clinical": ("elmo/options.json", "elmo/mimic_wiki.hdf5"),
    "sl/embeddia": ("slovenian/options.json", "slovenian/slovenian-elmo-weights.hdf5"),
    "ko/ratsgo": ("options.json", "elmo.model"),
}
NLPL = ("options.json", "model.hdf5")
PAIR = ("options.json", "weights.hdf5")
MANYLANGS = [name for name in CATALOGUE if name.startswith("manylangs/")]
TASKS = [name for name in CATALOGUE if name.startswith("allennlp/")]
MODULES = [
    "tfhub/elmo/3",
    "tfhub/elmo/2",
    "tfhub/elmo/1",
    *(f"deeppavlov/{text}" for text in ("wiki", "news", "twitter")),
]
RUNS = [name for name in CATALOGUE if name.startswith("deeppavlov/") and name not in MODULES]
CHECKPOINTS = ["original/lm", "small/lm", "medium/lm", "bioelmo/lm", "seqvec/lm"]
OTHERS = [*MANYLANGS, *TASKS, *MODULES, *RUNS, *CHECKPOINTS, "sparknlp/elmo"]
PAIRS = [name for name, entry in CATALOGUE.items() if name not in OTHERS and len(entry.files) == 2]
ZIPS = [name for name, entry in CATALOGUE.items() if name not in OTHERS and len(entry.files) == 1]


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "mirror").as_uri())
    return tmp_path / "mirror"


@pytest.fixture
def entry(name: str, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The entry, but for sizes and checksums, which small files cannot have."""
    found = CATALOGUE[name]
    files = tuple(file._replace(size=None, sha256=None, md5=None) for file in found.files)
    monkeypatch.setitem(catalogue.CATALOGUE, name, replace(found, files=files))
    return catalogue.CATALOGUE[name]


def pack(path: Path, members: "dict[str, Path]") -> None:
    """Write an archive of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, member in members.items():
                archive.write(member, name)
        return
    with tarfile.open(path, "w:bz2" if path.suffix == ".bz2" else "w:gz") as packed:
        for name, member in members.items():
            packed.add(member, name)


def list_members(folder: Path) -> "dict[str, Path]":
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(entry: Entry, mirror: Path, tiny: Path) -> None:
    for file, name in zip(entry.files, PAIR):
        (mirror / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tiny / name, mirror / file.path)
    assert read_weights(fetch(entry.name, quiet=True)).n_parameters == 9552


@pytest.mark.parametrize("name", ZIPS)
def test_archive_of_a_pair(entry: Entry, mirror: Path, tiny: Path, tmp_path: Path) -> None:
    is_nlpl = any("vectors.nlpl.eu" in url for url in entry.files[0].urls)
    names = NLPL if is_nlpl else MEMBERS.get(entry.name, PAIR)
    members = {name: tiny / own for name, own in zip(names, PAIR)}
    (tmp_path / "words").write_text("<S>\n</S>\n<UNK>\nthe\n")
    if is_nlpl:
        members |= {"vocab.txt": tmp_path / "words", "meta.json": tiny / "options.json"}
    elif entry.name == "clinical":
        members["elmo/vocab.txt"] = tmp_path / "words"
    elif entry.name == "ko/ratsgo":
        members["elmo-vocab.txt"] = tmp_path / "words"
    pack(mirror / entry.files[0].path, members)
    assert read_weights(fetch(entry.name, quiet=True)).n_parameters == 9552


@pytest.mark.parametrize("name", MANYLANGS)
def test_manylangs(entry: Entry, mirror: Path, parity: Path) -> None:
    model = list_members(parity / "manylangs" / "word_char")
    # The archive in simplified characters has a folder.
    prefix = "zhs.model/" if entry.name == "manylangs/zhs" else ""
    pack(mirror / entry.files[0].path, {f"{prefix}{name}": path for name, path in model.items()})
    assert read_weights(fetch(entry.name, quiet=True)).options.words is not None


@pytest.mark.parametrize("name", TASKS)
def test_task_archive(entry: Entry, mirror: Path) -> None:
    path = mirror / entry.files[0].path
    path.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "tests" / "allennlp" / "model.tar.gz", path)
    assert read_weights(fetch(entry.name, quiet=True)).n_mixes > 0


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("name", MODULES)
def test_module(entry: Entry, mirror: Path, parity: Path) -> None:
    pack(mirror / entry.files[0].path, list_members(parity / "tf_checkpoint" / "tfhub"))
    assert read_weights(fetch(entry.name, quiet=True)).options.lstm.n_layers == 2


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoint(entry: Entry, mirror: Path, parity: Path) -> None:
    folder = parity / "tf_checkpoint"
    published = {"vocab-2016-09-10.txt": "vocab.txt"}
    if entry.is_archive:
        members = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".npz"]
        pack(mirror / entry.files[0].path, {path.name: path for path in members})
    for file in entry.files if not entry.is_archive else ():
        if file.is_optional:
            continue
        is_part = file.name.startswith("model.ckpt")
        end = ".index" if file.name.endswith(".index") else ".data-00000-of-00001"
        own = f"model.ckpt-123456{end}" if is_part else published.get(file.name, file.name)
        (mirror / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / own, mirror / file.path)
    facts = softmax_facts(read_weights(fetch(entry.name, quiet=True)))
    assert facts is not None
    assert facts.n_words > 0


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("name", RUNS)
def test_deeppavlov_language_model(entry: Entry, mirror: Path, parity: Path) -> None:
    folder = parity / "tf_checkpoint"
    members = {name: folder / name for name in ("options.json", "vocab.txt")}
    members |= {
        f"saves/model{end}": folder / f"model.ckpt-123456{end}" for end in (".index", ".data-00000-of-00001")
    }
    pack(mirror / entry.files[0].path, members)
    assert softmax_facts(read_weights(fetch(entry.name, quiet=True))) is not None


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("name", ["sparknlp/elmo"])
def test_spark_nlp(entry: Entry, mirror: Path, parity: Path) -> None:
    pack(mirror / entry.files[0].path, list_members(parity / "tf_checkpoint" / "sparknlp"))
    assert read_weights(fetch(entry.name, quiet=True)).options.lstm.n_layers == 2


def test_all_are_tested() -> None:
    assert sorted([*OTHERS, *PAIRS, *ZIPS]) == sorted(name for name, entry in CATALOGUE.items() if entry.files)
