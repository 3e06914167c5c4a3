"""ELMoForManyLangs' Embedder: its own outputs, in any order of calls."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.compat.elmoformanylangs import Embedder, logger
from spacy_elmo.errors import ElmoError
from tests.data import TINY, Measured, read_case, worst

CASES = ["char", "word_char"]
SENTENCES = [["A", "cat", "sat", "."], [], ["It", "ran"], ["A", "cat", "sat", "."]]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(TINY)


@pytest.mark.parametrize("name", CASES)
def test_all_layers(measured: Measured, parity: Path, name: str) -> None:
    case = read_case(parity / "manylangs" / name)
    embedder = Embedder(str(parity / "manylangs" / name), batch_size=3)
    got = embedder.sents2elmo(case.sentences, output_layer=-2)
    assert [array.shape for array in got] == [array.shape for array in case.expected]
    difference = worst(got, case.expected)
    measured(f"compat.elmoformanylangs {name:<12}  max abs difference: {difference:.1e}")
    assert difference <= 1e-4
    # Where the original's second call goes on from the states of the first.
    assert worst(embedder.sents2elmo(case.sentences, output_layer=-2), got) == 0


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("layer", [-1, 0, 1, 2])
def test_one_layer(parity: Path, name: str, layer: int) -> None:
    case = read_case(parity / "manylangs" / name)
    got = Embedder(parity / "manylangs" / name).sents2elmo(case.sentences, layer)
    expected = [array.mean(axis=0) if layer == -1 else array[layer] for array in case.expected]
    assert worst(got, expected) <= 1e-4
    assert all(array.dtype == np.float32 and array.shape == golden.shape for array, golden in zip(got, expected))


def test_published_usage(parity: Path) -> None:
    """As code for the original goes, but for the import."""
    assert isinstance(logger, logging.Logger)
    e = Embedder(str(parity / "manylangs" / "char"), batch_size=64)
    sents = [["Der", "Zug", "kam", "zu", "spät", "."], ["Wir", "haben", "ihn", "trotzdem", "fast", "verpaßt", "!"]]
    vectors = e.sents2elmo(sents)
    width = 2 * e.config["encoder"]["projection_dim"]
    assert [vector.shape for vector in vectors] == [(6, width), (7, width)]
    first, last = e.sents2elmo(sents, output_layer=0), e.sents2elmo(sents, output_layer=2)
    three = e.sents2elmo(sents, output_layer=-2)
    assert three[1].shape == (3, 7, width)
    np.testing.assert_array_equal(three[1][0], first[1])
    np.testing.assert_array_equal(three[1][2], last[1])
    np.testing.assert_allclose(np.average(three[0], axis=0), vectors[0], rtol=0, atol=1e-6)
    pooled = np.stack([vector.mean(axis=0) for vector in vectors])
    assert pooled.shape == (2, width)
    assert e.batch_size == 64
    assert e.model_dir == str(parity / "manylangs" / "char")


def test_same_sentence_same_vectors(embedder: Embedder) -> None:
    once = embedder.sents2elmo(SENTENCES, -2)
    np.testing.assert_array_equal(once[0], once[3])
    assert worst(embedder.sents2elmo(SENTENCES, -2), once) == 0
    assert worst(embedder.sents2elmo(SENTENCES[:1], -2), once) <= 1e-5
    assert worst(embedder.sents2elmo(SENTENCES[::-1], -2)[::-1], once) <= 1e-5


def test_equals_embed(embedder: Embedder) -> None:
    outputs = spacy_elmo.load(TINY).embed(SENTENCES)
    assert worst(embedder.sents2elmo(SENTENCES, -2), [output.stack() for output in outputs]) == 0
    assert worst(embedder.sents2elmo(SENTENCES, 2), [output.lstm_outputs2 for output in outputs]) == 0


def test_empty_sentences(embedder: Embedder) -> None:
    width = embedder.model.width("elmo")
    assert embedder.sents2elmo([]) == []
    assert [array.shape for array in embedder.sents2elmo([[], []])] == [(0, width)] * 2
    assert embedder.sents2elmo([[]], -2)[0].shape == (3, 0, width)
    assert embedder.sents2elmo([[]], 0)[0].shape == (0, width)


def test_arrays_belong_to_the_caller(embedder: Embedder) -> None:
    for layer in (-2, -1, 0, 1, 2):
        one, _, two, three = embedder.sents2elmo(SENTENCES, layer)
        kept = two.copy(), three.copy()
        one[...] = 0
        np.testing.assert_array_equal(two, kept[0])
        np.testing.assert_array_equal(three, kept[1])


def test_read_once(embedder: Embedder) -> None:
    def sentences() -> Iterator[tuple[str, ...]]:
        yield from (("A", "cat"), ("It",))

    assert [len(array) for array in embedder.sents2elmo(sentences())] == [2, 1]


@pytest.mark.parametrize("layer", [3, -3, 100, "top", None, 1.0])
def test_wrong_layer(embedder: Embedder, layer: object) -> None:
    with pytest.raises(ElmoError, match=r"EL888.*2 LSTM layer\(s\)\. Allowed: -1, the mean") as caught:
        embedder.sents2elmo(SENTENCES, layer)  # type: ignore[arg-type]
    assert repr(layer).strip("'") in str(caught.value)


def test_numbers_of_numpy(embedder: Embedder) -> None:
    assert worst(embedder.sents2elmo(SENTENCES, np.int64(1)), embedder.sents2elmo(SENTENCES, 1)) == 0


def test_text_for_tokens(embedder: Embedder) -> None:
    with pytest.raises(ElmoError, match="EL033"):
        embedder.sents2elmo(["Der Zug kam"])


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="EL"):
        Embedder(str(tmp_path / "de.model"))


def test_attributes(parity: Path) -> None:
    embedder = Embedder(parity / "manylangs" / "word_char", batch_size=8)
    assert embedder.batch_size == 8
    assert embedder.model_dir == parity / "manylangs" / "word_char"
    assert embedder.config["encoder"]["n_layers"] == 2
    assert embedder.config["encoder"]["name"] == "elmo"
    assert embedder.config["token_embedder"]["word_dim"] > 0
    assert Embedder(TINY).config["token_embedder"]["word_dim"] == 0
