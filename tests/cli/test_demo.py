import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.cli.demo import WORDS, Place, format_neighbours, format_shapes, rank_neighbours, read_sentences
from spacy_elmo.elmo import Elmo
from tests.cli.command import run


def test_words() -> None:
    sentences = read_sentences()
    for word in WORDS:
        assert sum(word in sentence for sentence in sentences) == 4, word


def layer_1(elmo: Elmo, sentences: list[list[str]]) -> list[Any]:
    return [output.lstm_outputs1 for output in elmo.embed(sentences)]


def test_neighbours(elmo: Elmo) -> None:
    sentences = [["a", "bank", "."], ["the", "bank"], ["a", "river", "bank", "!"]]
    found = rank_neighbours(sentences, layer_1(elmo, sentences), Place(0, 1))
    vectors = {
        Place(s, t): vector
        for s, output in enumerate(elmo.embed(sentences))
        for t, vector in enumerate(output.lstm_outputs1)
    }
    wanted = vectors.pop(Place(0, 1))
    cosines = {
        place: float(vector @ wanted / np.linalg.norm(vector) / np.linalg.norm(wanted))
        for place, vector in vectors.items()
        if place.sentence != 0 and sentences[place.sentence][place.token] != "!"
    }
    assert [near.place for near in found] == sorted(cosines, key=lambda place: -cosines[place])
    assert [near.similarity for near in found] == pytest.approx(sorted(cosines.values(), reverse=True), abs=1e-6)


def test_the_token_is_marked(elmo: Elmo) -> None:
    sentences = [["a", "bank"], ["the", "bank"]]
    text = format_neighbours(sentences, layer_1(elmo, sentences), "bank")
    assert text.startswith("a [bank]\n")
    assert "the [bank]" in text


def test_shapes_of_all_layers(elmo: Elmo) -> None:
    assert "word_emb       (13, 8)" in format_shapes(elmo)
    assert "lstm_outputs2  (13, 16)" in format_shapes(elmo)


def test_the_command(tiny: Path) -> None:
    out = run("demo", "--source", tiny).stdout
    assert "tokens/s, all layers" in out
    assert out.count("[bank]") >= 4


def test_a_source_with_a_password(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mirror" / "models.example"
    folder.mkdir(parents=True)
    shutil.make_archive(str(folder / "elmo"), "zip", tiny)
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "mirror").as_uri())
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    done = run("demo", "--source", "https://user:s3cret@models.example/elmo.zip")
    assert done.stdout.startswith("https://models.example/elmo.zip: loaded in ")
    assert "s3cret" not in done.stdout + done.stderr
