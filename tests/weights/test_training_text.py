"""What is known of the text that a model was trained on."""

import os
from pathlib import Path
from typing import get_args

import pytest

from spacy_elmo.weights.catalogue import BUNDLED_FOLDER, CATALOGUE
from spacy_elmo.weights.catalogue.entry import Domain, Entry
from spacy_elmo.weights.fetch.model_cache import model_folder
from spacy_elmo.weights.source import read_weights
from spacy_elmo.weights.training_text import describe_text, find_entry, is_ordinary_english
from tests.platforms import links
from tests.published import put_in_cache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_entry(**known: object) -> Entry:
    return Entry(name="model", files=(), **known)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["medium", "sparknlp/elmo", "manylangs/de"])
def test_files_of_the_cache(name: str) -> None:
    entry = CATALOGUE[name]
    folder = model_folder(name)
    for path in (folder, folder / "weights.hdf5", folder / "inside" / "model.zip"):
        assert find_entry(str(path)) is entry


def test_other_files(cache: Path) -> None:
    models = cache / "models"
    for path in (
        models / "unknown" / "weights.hdf5",
        models / "medium.partial" / "weights.hdf5",
        models / "medium" / ".." / "weights.hdf5",
        models / "weights.hdf5",
        cache / "medium" / "weights.hdf5",
        BUNDLED_FOLDER / "weights.safetensors",
        "medium",
        "the saved pipeline",
        "",
    ):
        assert find_entry(str(path)) is None


def test_read_from_the_cache(tiny: Path) -> None:
    assert find_entry(read_weights(tiny).source) is None
    folder = put_in_cache(tiny, "medium")
    assert find_entry(read_weights(folder).source) is CATALOGUE["medium"]


@links
def test_links(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a model of the cache; from the cache to another disk; and the cache in relative form."""
    folder = put_in_cache(tiny, "medium")
    os.symlink(folder, tmp_path / "mine")
    assert find_entry(read_weights(tmp_path / "mine").source) is CATALOGUE["medium"]
    os.rename(folder, tmp_path / "disk")
    os.symlink(tmp_path / "disk", folder)
    assert find_entry(read_weights(folder).source) is CATALOGUE["medium"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPACY_ELMO_CACHE", "cache")
    assert find_entry(read_weights(model_folder("medium")).source) is CATALOGUE["medium"]


def test_which_text_is_ordinary_english() -> None:
    ordinary = {"general", "web", "news"}
    for domain in get_args(Domain):
        assert is_ordinary_english(make_entry(language="en", domain=domain)) is (domain in ordinary)
        assert not is_ordinary_english(make_entry(language="de", domain=domain))
    assert not is_ordinary_english(make_entry(language=None, domain="protein"))
    named = {name for name, entry in CATALOGUE.items() if is_ordinary_english(entry)}
    assert named >= {
        "original",
        "original_5.5B",
        "small",
        "medium",
        "tfhub/elmo/3",
        "sparknlp/elmo",
        "manylangs/en",
    }
    assert not named & {"pubmed", "clinical", "chemistry", "stackoverflow", "seqvec", "pt", "manylangs/de"}


def test_described() -> None:
    assert describe_text(make_entry(language="de")) == "German text"
    assert describe_text(make_entry(language="tlh")) == "'tlh' text"
    assert describe_text(make_entry(language="en", domain="clinical")) == "English text of the domain 'clinical'"
    assert describe_text(make_entry(language=None, domain="protein")) == "data of the domain 'protein'"
