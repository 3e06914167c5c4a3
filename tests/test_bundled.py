"""The model that comes with the package."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import spacy

import spacy_elmo
from spacy_elmo.bilm.layers import LayerName
from spacy_elmo.cli.demo import LAYER, WORDS, Place, rank_neighbours, read_sentences
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference.warm_state import make_state, read_default_sentences
from spacy_elmo.weights.catalogue import BUNDLED, BUNDLED_FOLDER
from spacy_elmo.weights.source import read_weights
from tests.data import Measured

CARD = BUNDLED_FOLDER / "README.md"
# What the first vectors may take, as a part of what "import spacy", with torch, takes in the same process: both
# take longer on a slow or busy machine. Measured: 0.2 on an idle one, 0.2 to 0.4 on a busy one.
LARGEST_PART = 0.5

# Any way to a network is an error.
FIRST_VECTORS = """
import time
start = time.perf_counter()
import socket
def refuse(*args, **kwargs):
    raise AssertionError("no network")
socket.socket.connect = socket.getaddrinfo = refuse
import spacy
ready = time.perf_counter()
nlp = spacy.blank("en")
nlp.add_pipe("elmo_embedder")
tensor = nlp("I love NLP").tensor
print(ready - start, time.perf_counter() - ready, *tensor.shape)
"""


@pytest.fixture(scope="module")
def bundled() -> Elmo:
    return spacy_elmo.load()


@pytest.mark.slow
def test_first_vectors_without_a_network(tmp_path: Path, measured: Measured) -> None:
    """In a new process; the smallest part of three, because other work on the machine only ever adds."""
    parts: list[float] = []
    for _ in range(3):
        command = [sys.executable, "-W", "error", "-c", FIRST_VECTORS]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        spacy_alone, first_vectors, *shape = done.stdout.split()
        assert shape == ["3", "256"]
        parts.append(float(first_vectors) / float(spacy_alone))
    measured(f"first vectors: {min(parts):.2f} of the time of import spacy")
    assert min(parts) < LARGEST_PART, parts


def test_every_way_to_ask_for_it() -> None:
    named, default = spacy_elmo.load(BUNDLED), spacy_elmo.load()
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    doc = nlp("I love NLP")
    for elmo in (named, default):
        assert elmo.settings.initial_state == "zero"
        output = elmo.embed([["I", "love", "NLP"]])[0]
        np.testing.assert_array_equal(doc.tensor, output.elmo)
        np.testing.assert_array_equal(doc._.elmo.lstm_outputs2, output.lstm_outputs2)
    assert np.isfinite(doc.tensor).all()


def test_its_folder_is_small_and_as_the_card_says() -> None:
    files = {path.name: path for path in BUNDLED_FOLDER.iterdir()}
    assert files.keys() == {"options.json", "weights.safetensors", "README.md"}
    assert sum(path.stat().st_size for path in files.values()) < 12_000_000
    [said] = re.findall(r"`weights\.safetensors`[^\n]*\n?[^\n]*`([0-9a-f]{64})`", CARD.read_text("utf-8"))
    assert hashlib.sha256(files["weights.safetensors"].read_bytes()).hexdigest() == said


def test_its_numbers() -> None:
    weights = read_weights(BUNDLED)
    assert {str(array.dtype) for array in weights.arrays.values()} == {"float16"}
    assert f"{weights.n_parameters:,}" in CARD.read_text("utf-8")
    assert not weights.has_softmax
    for name, array in weights.arrays.items():
        assert np.isfinite(array).all(), name


def test_warm_state_of_the_shipped_sentences() -> None:
    weights = read_weights(BUNDLED)
    assert weights.has_warm_state
    for name, made in make_state(weights, read_default_sentences()).items():
        # The stored one was made before the weights were rounded.
        np.testing.assert_allclose(weights.arrays[name], made, atol=0.02)


@pytest.mark.parametrize("layer", [LAYER, "elmo"])
@pytest.mark.parametrize("word", WORDS)
def test_senses_of_a_word(bundled: Elmo, word: str, layer: LayerName) -> None:
    """In the sentences of the demonstration. Without context all four are alike."""
    sentences = [sentence for sentence in read_sentences() if word in sentence]
    vectors = [getattr(output, layer) for output in bundled.embed(sentences, layers=[layer])]
    places = [Place(s, sentence.index(word)) for s, sentence in enumerate(sentences)]
    for place, same in zip(places, (places[1], places[0], places[3], places[2]), strict=True):
        found = [near.place for near in rank_neighbours(sentences, vectors, place) if near.place in places]
        assert found[0] == same


def test_context_changes_a_word(bundled: Elmo) -> None:
    river, money = bundled.embed([["the", "bank", "of", "the", "river"], ["the", "bank", "paid", "the", "money"]])
    np.testing.assert_array_equal(river.word_emb[1], money.word_emb[1])
    assert np.abs(river.lstm_outputs1[1] - money.lstm_outputs1[1]).max() > 0.1


def test_an_installation_without_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("spacy_elmo.weights.catalogue.BUNDLED_FOLDER", tmp_path / "en_sm")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"EL012.*'en_sm' is missing from this installation.*Reinstall"):
        spacy_elmo.load()
    (tmp_path / "en_sm").mkdir()
    with pytest.raises(FileNotFoundError, match=r"EL013.*It contains: nothing"):
        spacy_elmo.load()


@pytest.mark.parametrize("missing", ["options.json", "weights.safetensors"])
def test_incomplete_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    shutil.copytree(BUNDLED_FOLDER, tmp_path / "en_sm", ignore=shutil.ignore_patterns(missing))
    monkeypatch.setattr("spacy_elmo.weights.catalogue.BUNDLED_FOLDER", tmp_path / "en_sm")
    with pytest.raises(FileNotFoundError, match=r"EL013.*en_sm"):
        read_weights(BUNDLED)


def test_other_files_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(BUNDLED_FOLDER, tmp_path / "en_sm")
    shutil.copy(BUNDLED_FOLDER / "weights.safetensors", tmp_path / "en_sm" / "second.safetensors")
    monkeypatch.setattr("spacy_elmo.weights.catalogue.BUNDLED_FOLDER", tmp_path / "en_sm")
    assert read_weights(BUNDLED).source == str(tmp_path / "en_sm" / "weights.safetensors")
