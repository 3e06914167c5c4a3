"""simple_elmo's ElmoModel: vectors and averages against goldens and `embed`, substitutes against the formulas."""

import gzip
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.compat.simple_elmo import Batcher, ElmoModel, divide_chunks
from spacy_elmo.errors import ElmoError
from spacy_elmo.language_model.substitutes import substitutes
from tests.data import TINY, Measured, read_case, read_npz, shared_path
from tests.extras import is_installed
from tests.language_models import (
    LM,
    WORDS,
    full_softmax,
    lines_of,
    load_language_model,
    log_softmax,
    write_bilm_tf,
    write_source,
)

SENTENCES = [["A", "naïve", "cat", "sat", "."], [], ["It"], ["<S>", "漢字", "ran"], ["It"]]


def load(source: Any = TINY, **settings: Any) -> ElmoModel:
    model = ElmoModel()
    model.load(source, **settings)
    return model


@pytest.fixture(scope="module")
def model() -> ElmoModel:
    return load()


@pytest.fixture(scope="module")
def stacked() -> list[np.ndarray]:
    return [outputs.stack() for outputs in spacy_elmo.load(TINY).embed(SENTENCES)]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> ElmoModel:
    return load(write_source(tmp_path_factory.mktemp("full"), full_softmax()), full=True)


def reduce(array: np.ndarray, layers: str) -> np.ndarray:
    return array if layers == "all" else array[-1] if layers == "top" else array.mean(axis=0)


def test_attributes() -> None:
    model = ElmoModel()
    assert model.vector_size is model.n_layers is model.max_chars is model.batch_size is model.batcher is None
    assert "loaded" in model.load(TINY, max_batch_size=7, limit=10)
    assert (model.vector_size, model.n_layers, model.max_chars, model.batch_size) == (16, 3, 50, 7)
    assert model.vocab is None
    assert model.batcher is not None
    ids = model.batcher.batch_sentences([["A", "cat"]])
    np.testing.assert_array_equal(ids, Batcher(None, 50).batch_sentences([["A", "cat"]]))


@pytest.mark.parametrize("layers", ["average", "top", "all"])
@pytest.mark.parametrize("name", ["base", "tanh_deep", "one_layer"])
def test_vectors_of_goldens(measured: Measured, name: str, layers: str) -> None:
    case = read_case(shared_path(f"parity/bilm/{name}"))
    vectors = load(shared_path(f"parity/bilm/{name}")).get_elmo_vectors(case.sentences, layers=layers)
    expected = [reduce(array, layers) for array in case.expected]
    longest = max(map(len, case.sentences))
    assert vectors.shape == (len(expected), *expected[0].shape[:-2], longest, expected[0].shape[-1])
    difference = 0.0
    for got, array in zip(vectors, expected):
        difference = max(difference, float(np.abs(got[..., : array.shape[-2], :] - array).max()))
        assert not got[..., array.shape[-2] :, :].any()
    measured(f"compat.simple_elmo {name:<12} {layers:<8}  max abs difference: {difference:.1e}")
    assert difference <= 1e-4


@pytest.mark.parametrize("layers", ["average", "top", "all"])
def test_vectors_and_averages(model: ElmoModel, stacked: list[np.ndarray], layers: str) -> None:
    vectors = model.get_elmo_vectors(SENTENCES, layers=layers)
    averages = model.get_elmo_vector_average(SENTENCES, layers=layers)
    rows = (3,) if layers == "all" else ()
    assert vectors.shape == (5, *rows, 5, 16)
    assert averages.shape == (5, *rows, 16)
    assert vectors.dtype == averages.dtype == np.float64
    for got, average, array in zip(vectors, averages, stacked):
        expected = reduce(array, layers)
        np.testing.assert_allclose(got[..., : array.shape[1], :], expected, atol=1e-6, rtol=0)
        assert not got[..., array.shape[1] :, :].any()
        if array.shape[1]:
            mean = expected.mean(axis=-2, dtype=np.float64)
            np.testing.assert_allclose(average, mean / np.linalg.norm(mean), atol=1e-6, rtol=0)
            assert np.linalg.norm(average) == pytest.approx(1)
        else:
            assert not average.any()


@pytest.mark.parametrize(("settings", "layers"), [({"top": True}, "top"), ({"top": False}, "average")])
def test_top_of_first_releases(settings: dict[str, bool], layers: str) -> None:
    model = load(**settings)
    np.testing.assert_array_equal(
        model.get_elmo_vectors(SENTENCES), model.get_elmo_vectors(SENTENCES, layers=layers)
    )
    averages = model.get_elmo_vector_average(SENTENCES)
    np.testing.assert_array_equal(averages, model.get_elmo_vector_average(SENTENCES, layers=layers))
    model.load(TINY)
    np.testing.assert_array_equal(
        model.get_elmo_vectors(SENTENCES), model.get_elmo_vectors(SENTENCES, layers="average")
    )


def test_same_sentence_same_vectors(model: ElmoModel) -> None:
    for method in (model.get_elmo_vectors, model.get_elmo_vector_average):
        once = method(SENTENCES)
        np.testing.assert_array_equal(method(SENTENCES, warmup=False, session=object()), once)
        np.testing.assert_allclose(once[2], once[4], atol=1e-6, rtol=0)
        np.testing.assert_allclose(method(SENTENCES[:1])[0], once[0], atol=1e-6, rtol=0)
        np.testing.assert_allclose(method(SENTENCES[::-1])[::-1], once, atol=1e-6, rtol=0)
        np.testing.assert_allclose(method(iter(map(tuple, SENTENCES))), once, atol=1e-6, rtol=0)


def test_nothing_to_embed(model: ElmoModel) -> None:
    assert model.get_elmo_vectors([]).shape == (0, 0, 16)
    assert model.get_elmo_vectors([[]], layers="all").shape == (1, 3, 0, 16)
    assert model.get_elmo_vector_average([]).shape == (0, 16)
    assert model.get_elmo_vector_average([], layers="all").shape == (0, 3, 16)


def test_sources(tmp_path: Path, model: ElmoModel) -> None:
    # As the NLPL repository packs its models.
    with zipfile.ZipFile(tmp_path / "200.zip", "w") as archive:
        archive.write(TINY / "options.json", "options.json")
        archive.write(TINY / "weights.hdf5", "model.hdf5")
        archive.writestr("vocab.txt", "<S>\n</S>\n<UNK>\n")
        archive.writestr("meta.json", "{}")
    folder = tmp_path / "200"
    with zipfile.ZipFile(tmp_path / "200.zip") as archive:
        archive.extractall(folder)
    expected = model.get_elmo_vectors(SENTENCES)
    for source in (tmp_path / "200.zip", str(folder), [TINY / "options.json", TINY / "weights.hdf5"]):
        np.testing.assert_array_equal(load(source).get_elmo_vectors(SENTENCES), expected)


def test_models_with_a_vocabulary_of_characters() -> None:
    case = read_case(shared_path("parity/manylangs/char"))
    model = load(shared_path("parity/manylangs/char"))
    assert model.batcher is None
    got = model.get_elmo_vectors(case.sentences[:3], layers="all")
    for vectors, array in zip(got, case.expected):
        np.testing.assert_allclose(vectors[:, : array.shape[1]], array, atol=1e-4, rtol=0)


# Substitutes.


def test_substitutes(full: ElmoModel, tmp_path: Path) -> None:
    lines = ["a great nation", "", "we can not dedicate"]
    found = full.get_elmo_substitutes(lines, topn=4)
    assert [[one["word"] for one in sentence] for sentence in found] == [line.split() for line in lines]
    model, vocabulary = load_language_model(write_source(tmp_path, full_softmax()))
    assert full.vocab is not None
    for sentence, expected in zip(found, substitutes(model, vocabulary, [line.split() for line in lines], 4)):
        for one, wanted in zip(sentence, expected):
            for name in ("forward", "backward"):
                words, scores = zip(*getattr(wanted, name))
                assert one[name]["candidate_words"] == list(words)
                assert [full.vocab.id_to_word(number) for number in one[name]["candidates"]] == list(words)
                np.testing.assert_allclose(one[name]["logp"], scores, atol=1e-5)
                assert one[name]["logp"] == sorted(one[name]["logp"], reverse=True)
                assert not {*words} & {*WORDS[:3]}
    assert full.get_elmo_substitutes([line.split() for line in lines], topn=4) == found
    assert len(full.get_elmo_substitutes(["a"])[0][0]["forward"]["candidates"]) == 3
    # A model that is loaded in full gives vectors, too.
    assert full.get_elmo_vectors([["a", "nation"]]).shape == (1, 2, 16)


def test_substitutes_of_bilm_tf(tmp_path: Path) -> None:
    """simple_elmo's own scores, at the place where it too has the whole context: the start of a sentence."""
    golden = read_npz(LM / "simple_elmo.npz")
    lengths = golden["lengths"].tolist()
    lines = [" ".join(tokens) for tokens in lines_of(shared_path("parity/lm/test.txt"))[: len(lengths)]]
    model = load(write_bilm_tf(tmp_path), full=True)
    assert model.vocab is not None
    assert model.vocab.size == 45
    found = model.get_elmo_substitutes(lines, topn=42)
    starts = np.cumsum([0, *lengths])
    for sentence, start, end in zip(found, starts, starts[1:]):
        for name, one, row in (("forward", sentence[0], start), ("backward", sentence[-1], end - 1)):
            logp = log_softmax(golden[name][row].astype(np.float64))
            np.testing.assert_allclose(one[name]["logp"], logp[one[name]["candidates"]], atol=1e-4, rtol=0)


def test_packed_vocabulary(tmp_path: Path, full: ElmoModel) -> None:
    folder = write_source(tmp_path, full_softmax())
    (folder / "vocab.txt.gz").write_bytes(gzip.compress((folder / "vocab.txt").read_bytes()))
    (folder / "vocab.txt").unlink()
    assert load(folder, full=True).get_elmo_substitutes(["a nation"]) == full.get_elmo_substitutes(["a nation"])
    (folder / "vocab.txt.gz").write_bytes(gzip.compress("".join(f"{word}\n" for word in WORDS[:-1]).encode()))
    with pytest.raises(ElmoError, match=r"EL088.*vocab\.txt\.gz"):
        load(folder, full=True)
    (folder / "vocab.txt.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"EL091.*vocab\.txt"):
        load(folder, full=True)


def test_checkpoint_beside_weights(tmp_path: Path) -> None:
    """The weights for embedding have no softmax; the checkpoint in the same folder has, and needs TensorFlow."""
    for name in ("checkpoint", "options.json", "vocab.txt", "weights.hdf5"):
        shutil.copy(shared_path("parity/lm") / name, tmp_path)
    for path in shared_path("parity/lm").glob("model.ckpt*"):
        shutil.copy(path, tmp_path)
    if is_installed("tensorflow"):
        assert load(tmp_path, full=True).get_elmo_substitutes(["the dog"])[0][0]["word"] == "the"
    else:
        with pytest.raises(ImportError, match=r"EL130.*model\.ckpt-1056\.index"):
            load(tmp_path, full=True)


# What is refused.


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda model: ElmoModel().get_elmo_vectors([["a"]]),
            r"EL880.*get_elmo_vectors\(\).*load\(directory\) first",
        ),
        (lambda model: ElmoModel().get_elmo_vector_average([["a"]]), "EL880"),
        (lambda model: ElmoModel().get_elmo_substitutes(["a"]), "EL880"),
        (lambda model: model.get_elmo_substitutes(["a"]), r"EL880.*load\(directory, full=True\)"),
        (lambda model: model.get_elmo_substitutes(["a"], nodelimiters=False), r"EL883.*nodelimiters=True"),
        (lambda model: model.get_elmo_vectors([["a"]], layers="mean"), r"EL030.*'mean'.*'average', 'top', 'all'"),
        (lambda model: model.get_elmo_vector_average([["a"]], layers=""), r"EL030.*''"),
        (lambda model: model.get_elmo_vectors(["a cat"]), r"EL033.*'a cat'"),
        (lambda model: model.get_elmo_vector_average("a cat"), "EL240"),
        (lambda model: model.load(TINY, max_batch_size=0), r"EL038.*'max_batch_size'"),
        (lambda model: model.load(TINY, full=True), "EL090"),
    ],
)
def test_refused(model: ElmoModel, call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ElmoError, match=message):
        call(model)


@pytest.mark.parametrize("topn", [0, -1])
def test_refused_numbers(full: ElmoModel, topn: int) -> None:
    with pytest.raises(ElmoError, match="EL038"):
        full.get_elmo_substitutes(["a"], topn=topn)
    with pytest.raises(ElmoError, match="EL034"):
        full.get_elmo_substitutes([["a", 1]])  # type: ignore[list-item]


def test_failed_load_keeps_the_model(tmp_path: Path) -> None:
    model = load()
    before = model.get_elmo_vectors(SENTENCES)
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path / "missing", max_batch_size=3)
    with pytest.raises(ElmoError):
        model.load(TINY, max_batch_size=3, full=True)
    assert model.batch_size == 32
    np.testing.assert_array_equal(model.get_elmo_vectors(SENTENCES), before)


def test_chunks() -> None:
    assert list(divide_chunks([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(divide_chunks([], 2)) == []


def test_published_usage(tmp_path: Path) -> None:
    """As code for simple_elmo goes, but for the import."""
    model = ElmoModel()
    model.load("en_sm", max_batch_size=16)
    raw = ["The band on the stage played well", "A rubber band held the letters", "It rained"]
    sentences = [line.split() for line in raw]

    vectors = model.get_elmo_vectors(sentences)
    assert vectors.shape == (3, 7, model.vector_size)
    assert model.get_elmo_vectors(sentences, layers="top").shape == vectors.shape
    assert model.get_elmo_vectors(sentences, layers="all").shape == (3, model.n_layers, 7, model.vector_size)
    # Cosines between words and between sentences, which have a length of 1.
    one, two = vectors[0, 1], vectors[1, 2]
    assert 0 < one @ two / (np.linalg.norm(one) * np.linalg.norm(two)) < 1
    averages = model.get_elmo_vector_average(sentences, warmup=False)
    similarity = averages @ averages.T
    np.testing.assert_allclose(np.diag(similarity), 1, atol=1e-9)
    assert similarity[0, 1] > similarity[0, 2]

    lm = ElmoModel()
    lm.load(str(write_source(tmp_path, full_softmax())), max_batch_size=1, full=True)
    for sentence in lm.get_elmo_substitutes(["we can not dedicate", "a great nation"], topn=2):
        for token in sentence:
            for direction in ("forward", "backward"):
                candidates = token[direction]
                shown = [
                    f"{word} {score:.3f}" for word, score in zip(candidates["candidate_words"], candidates["logp"])
                ]
                assert len(shown) == len(candidates["candidates"]) == 2
