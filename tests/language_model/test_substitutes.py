from pathlib import Path

import numpy as np
import pytest
import torch

from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.language_model import reading
from spacy_elmo.language_model import substitutes as module
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.reading import run_batch
from spacy_elmo.language_model.streams import Batch
from spacy_elmo.language_model.substitutes import Substitutes, substitutes
from spacy_elmo.language_model.word_types import encode_types
from tests.data import read_npz, shared_path
from tests.language_models import (
    LM,
    WORDS,
    Arrays,
    Reference,
    States,
    adaptive_softmax,
    full_softmax,
    lines_of,
    load_language_model,
    log_softmax,
    warm_state,
    write_bilm_tf,
    write_source,
)

NAMES = ("forward", "backward", "both")


def expected(
    reference: Reference, tokens: list[str], states: States, words: list[str] = WORDS
) -> list[dict[str, list[tuple[str, float]]]]:
    """Rank all words but the special ones for each token."""
    forward, backward = reference.predictions(tokens, dict(states))
    forward, backward = forward[:-1], backward[:-1][::-1]
    return [
        {
            name: sorted(
                ((word, float(score)) for word, score in zip(words, row) if word not in WORDS[:3]),
                key=lambda pair: -pair[1],
            )
            for name, row in zip(NAMES, (one, other, one + other))
        }
        for one, other in zip(forward, backward)
    ]


def hold(got: Substitutes, wanted: dict[str, list[tuple[str, float]]], n: int) -> None:
    for name in NAMES:
        words, values = zip(*getattr(got, name))
        assert list(words) == [word for word, _ in wanted[name][:n]]
        np.testing.assert_allclose(values, [value for _, value in wanted[name][:n]], atol=2e-5, rtol=0)


@pytest.mark.parametrize("softmax", [full_softmax(), adaptive_softmax()], ids=["full", "adaptive"])
@pytest.mark.parametrize("small", [False, True])
def test_equal_to_the_formulas(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sentences: list[list[str]], softmax: Arrays, small: bool
) -> None:
    if small:
        for where, name in ((module, "_TOKENS"), (module, "_SCORES"), (reading, "_GROUP"), (reading, "_STEPS")):
            monkeypatch.setattr(where, name, 30)
    model, vocabulary = load_language_model(write_source(tmp_path, softmax))
    text = [sentences[0], ["It"], [], *sentences[1:4], ["naïve", "<S>", "漢字"]]
    reference = Reference(softmax)
    found = list(substitutes(model, vocabulary, iter(text), 4))
    assert [[one.token for one in sentence] for sentence in found] == text
    for sentence, tokens in zip(found, text):
        for got, wanted in zip(sentence, expected(reference, tokens, {})):
            hold(got, wanted, 4)


def test_initial_state(tmp_path: Path) -> None:
    softmax = full_softmax()
    model, vocabulary = load_language_model(write_source(tmp_path, softmax))
    arrays, states = warm_state()
    state = LSTMState(*(torch.from_numpy(array) for array in arrays.values()))
    tokens = ["It", "is", "great"]
    [found] = substitutes(model, vocabulary, [tokens], 5, state=state)
    [fresh] = substitutes(model, vocabulary, [tokens], 5)
    for got, other, wanted in zip(found, fresh, expected(Reference(softmax), tokens, states)):
        hold(got, wanted, 5)
        assert got != other


def test_number_of_words(tmp_path: Path) -> None:
    """Lists have all words but the special ones, wherever these are in the vocabulary."""
    words = [*WORDS[3:9], "<UNK>", *WORDS[9:], "</S>", "<S>"]
    softmax = full_softmax(seed=4)
    model, vocabulary = load_language_model(write_source(tmp_path, softmax, words=words))
    [[found]] = substitutes(model, vocabulary, [["a"]], 1000)
    hold(found, expected(Reference(softmax), ["a"], {}, words)[0], 1000)
    for name in NAMES:
        assert sorted(word for word, _ in getattr(found, name)) == sorted(WORDS[3:])
    assert 0 < sum(np.exp(value) for _, value in found.forward) < 1
    [[one]] = substitutes(model, vocabulary, [["a"]], 1)
    assert (one.forward, one.backward, one.both) == (found.forward[:1], found.backward[:1], found.both[:1])
    with pytest.raises(ValueError, match=r"EL038.*'n' must be .* from 1 up; got 0"):
        substitutes(model, vocabulary, [["a"]], 0)


def test_sentences_are_read_in_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_TOKENS", 6)
    model, vocabulary = load_language_model(write_source(tmp_path, full_softmax()))
    endless = (["It", "is"] for _ in iter(int, 1))
    found = substitutes(model, vocabulary, endless, 2)
    # The places in a batch differ, and so may the last bits.
    first = next(found)
    for one, other in zip([*first, *first], [*next(found), *next(found)], strict=True):
        assert one.token == other.token
        for direction in ("forward", "backward", "both"):
            words, scores = zip(*getattr(one, direction))
            assert getattr(other, direction) == [
                (word, pytest.approx(score, abs=1e-5)) for word, score in zip(words, scores)
            ]


@pytest.fixture(scope="module")
def simple_elmo() -> dict[str, np.ndarray]:
    """Its scores, with a single token as context, are reproduced; see tests/lm/README.md."""
    return read_npz(LM / "simple_elmo.npz")


@pytest.fixture(scope="module")
def lines(simple_elmo: dict[str, np.ndarray]) -> list[list[str]]:
    read = lines_of(shared_path("parity/lm/test.txt"))[: len(simple_elmo["lengths"])]
    assert [len(line) for line in read] == simple_elmo["lengths"].tolist()
    return read


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bilm_tf(tmp_path_factory.mktemp("lm"))


def test_simple_elmo_steps(source: Path, simple_elmo: dict[str, np.ndarray], lines: list[list[str]]) -> None:
    """All its scores are reproduced if each step starts from zeros."""
    model, vocabulary = load_language_model(source)
    corpus = Corpus.from_sentences(lines)
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    places = {text: place for place, text in enumerate([*corpus.types, "<S>", "</S>"])}
    before = [places[token] for line in lines for token in ["<S>", *line[:-1]]]
    after = [places[token] for line in lines for token in [*line[1:], "</S>"]]
    steps = np.array([[before, after]], dtype=np.int32)
    read, _ = run_batch(model, Batch(steps, steps), types, model.bilm.zero_state(len(before)))
    for hidden, name in zip(read.hidden[:, 0], ("forward", "backward")):
        got = model.softmax.log_likelihoods(hidden).detach().numpy()
        np.testing.assert_allclose(got, log_softmax(simple_elmo[name].astype(np.float64)), atol=1e-4, rtol=0)


def test_simple_elmo_at_sentence_ends(
    source: Path, simple_elmo: dict[str, np.ndarray], lines: list[list[str]]
) -> None:
    """The context is a boundary token alone, and both give the same."""
    model, vocabulary = load_language_model(source)
    start = 0
    different = 0.0
    for found, length in zip(substitutes(model, vocabulary, lines, 42), simple_elmo["lengths"]):
        end = start + int(length)
        ends = (("forward", found[0], start), ("backward", found[-1], end - 1))
        for name, one, row in ends:
            values = dict(getattr(one, name))
            got = np.array([values[word] for word in vocabulary.words[3:]])
            scores = log_softmax(simple_elmo[name][row].astype(np.float64))[3:]
            np.testing.assert_allclose(got, scores, atol=1e-4, rtol=0)
        for one, row in zip(found[1:], range(start + 1, end)):
            values = dict(one.forward)
            got = np.array([values[word] for word in vocabulary.words[3:]])
            different = max(different, float(np.abs(got - log_softmax(simple_elmo["forward"][row])[3:]).max()))
        start = end
    # Elsewhere, the rest of the sentence makes itself felt.
    assert different > 1
