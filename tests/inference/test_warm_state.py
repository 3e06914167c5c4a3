import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch

import spacy_elmo
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import CLOSING, OPENING, character_ids
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference import warm_state
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.reference import ReferenceEngine
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.inference.warm_state import BURN_IN, LEAST_SENTENCES, N_ROWS, compute_mean_state
from spacy_elmo.weights.arrays import Arrays
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights

N_SENTENCES = LEAST_SENTENCES + N_ROWS + 7  # the last batch is not full


@pytest.fixture(scope="module")
def running_text(sentences: list[list[str]]) -> list[list[str]]:
    """Many short sentences of real words, of different lengths."""
    words = [word for sentence in sentences for word in sentence]
    chance = random.Random(8)
    return [chance.choices(words, k=chance.randint(1, 9)) for _ in range(N_SENTENCES)]


def mean(elmo: Elmo, sentences: list[list[str]]) -> LSTMState:
    return compute_mean_state(elmo.engine, sentences, lstm=elmo.options.lstm)


@torch.no_grad()
def one_by_one(bilm: BiLM, sentences: list[list[str]]) -> list[np.ndarray]:
    """The same by the trainable module: row after row, and in a row sentence after sentence."""
    finals = []
    for row in range(N_ROWS):
        state = None
        for number, sentence in enumerate(sentences[row::N_ROWS]):
            ids = character_ids([OPENING, *sentence, CLOSING], max_characters=50)
            words = bilm.char_encoder(torch.from_numpy(ids))
            state = bilm(words, [len(words)], state=state).state
            if number >= BURN_IN:
                finals.append([part[:, :, 0].double().numpy() for part in state])
    assert len(finals) == N_SENTENCES - N_ROWS * BURN_IN
    return [np.mean(parts, axis=0) for parts in zip(*finals)]


def test_equal_to_reading_sentence_by_sentence(
    elmo: Elmo, bilm: BiLM, running_text: list[list[str]], way: str
) -> None:
    state = mean(elmo, running_text)
    assert (state.hidden.shape, state.cell.shape) == ((2, 2, 8), (2, 2, 24))
    for part, expected in zip(state, one_by_one(bilm, running_text)):
        assert part.dtype == torch.float32
        np.testing.assert_allclose(part.numpy(), expected, atol=1e-5)


def test_the_plain_engine(elmo: Elmo, bilm: BiLM, running_text: list[list[str]]) -> None:
    got = compute_mean_state(ReferenceEngine(bilm=bilm), running_text, lstm=elmo.options.lstm)
    for one, other in zip(got, mean(elmo, running_text)):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)


def test_deterministic_and_without_memory(elmo: Elmo, running_text: list[list[str]]) -> None:
    first = mean(elmo, running_text)
    elmo.embed(running_text[:5])
    # Sentences without tokens take no row, and any iterable will do.
    texts: Any = iter([[], *running_text[:70], [], *running_text[70:], []])
    again = mean(elmo, texts)
    assert all(torch.equal(one, other) for one, other in zip(first, again))


def test_what_runs_together_does_not_matter(
    elmo: Elmo, running_text: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mean(elmo, running_text)
    monkeypatch.setattr(warm_state, "BATCH_TOKENS", 25)
    for one, other in zip(mean(elmo, running_text), expected):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)


@pytest.mark.parametrize("n_sentences", [0, LEAST_SENTENCES - 1])
def test_too_few_sentences(elmo: Elmo, running_text: list[list[str]], n_sentences: int) -> None:
    with pytest.raises(
        ValueError, match=rf"EL095.*requires at least {LEAST_SENTENCES} sentences .* got {n_sentences}\."
    ):
        mean(elmo, [*running_text[:n_sentences], []])


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "warm_states"


@pytest.fixture(scope="module")
def real(tiny: Path) -> Arrays:
    return warm_state.get_default_state(read_weights(tiny))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, real: Arrays) -> list[Arrays]:
    """The states that have been made; quickly, hence wrong ones."""
    states: list[Arrays] = []

    def make_state(weights: Any, sentences: Any, **settings: Any) -> Arrays:
        states.append({name: array + len(states) + 1 for name, array in real.items()})
        return states[-1]

    monkeypatch.setattr(warm_state, "make_state", make_state)
    return states


def state_of(elmo: spacy_elmo.Elmo) -> Arrays:
    return {name: array for name, array in elmo.named_arrays().items() if name.startswith("initial_state.")}


def same(one: Arrays, other: Arrays) -> bool:
    return list(one) == list(other) and all((one[name] == other[name]).all() for name in one)


def test_the_sentences() -> None:
    sentences = warm_state.read_default_sentences()
    assert LEAST_SENTENCES < 300 <= len(sentences) <= 500
    assert len({" ".join(sentence) for sentence in sentences}) == len(sentences)
    assert all(8 <= len(sentence) <= 50 for sentence in sentences)
    # Tokens are spaCy's.
    tokenizer = spacy.blank("en").tokenizer
    tokens = [token for sentence in sentences for token in sentence]
    assert sum(len(tokenizer(token)) == 1 for token in tokens) > 0.999 * len(tokens)


def test_the_state_of_the_sentences(tiny: Path) -> None:
    """What `load` takes is what the sentences make, with whatever settings, and vectors start from it."""
    expected = warm_state.make_state(read_weights(tiny), warm_state.read_default_sentences())
    for settings in ({}, {"max_batch_tokens": 10}, {"precision": "fp64"}):
        elmo = spacy_elmo.load(tiny, initial_state="warm", **settings)
        assert same(state_of(elmo), expected), settings
    zero, hot = (spacy_elmo.load(tiny, initial_state=name).embed([["I"]])[0].elmo for name in ("zero", "warm"))
    assert np.abs(zero - hot).max() > 0.01


def test_nearer_to_carried_state_than_zeros(tiny: Path, sentences: list[list[str]]) -> None:
    """What it is for: the first vector of a sentence in running text, which no sentence of the package is from."""
    running = sentences * 3
    carrying = spacy_elmo.load(tiny, initial_state="carry")
    carried = [carrying.embed([sentence])[0].lstm_outputs1[0, :8] for sentence in running][1:]
    distance = {}
    for initial_state in ("zero", "warm"):
        outputs = spacy_elmo.load(tiny, initial_state=initial_state).embed(running)
        first = [output.lstm_outputs1[0, :8] for output in outputs][1:]
        distance[initial_state] = float(np.mean([np.linalg.norm(a - b) for a, b in zip(first, carried)]))
    assert distance["warm"] < 0.5 * distance["zero"], distance


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_rounded_models_have_the_same_state(tiny: Path, tmp_path: Path, precision: PrecisionName) -> None:
    if not (features.has_bf16() if precision == "bf16" else features.has_int8()):
        pytest.skip(f"this processor, or this torch, does not multiply in {precision}")
    expected = state_of(spacy_elmo.load(tiny, initial_state="warm"))
    rounded = spacy_elmo.load(tiny, initial_state="warm", precision=precision)
    assert same(state_of(rounded), expected)
    rounded.save(tmp_path / "saved")
    assert same(state_of(spacy_elmo.load(tmp_path / "saved")), expected)


def test_made_once(own_cache: Path, made: list[Arrays], tiny: Path) -> None:
    first, second = (state_of(spacy_elmo.load(tiny, initial_state="warm")) for _ in range(2))
    assert same(first, second)
    assert same(first, made[0])
    assert len(made) == len(list(own_cache.iterdir())) == 1


def test_nothing_is_made_without_need(own_cache: Path, made: list[Arrays], tiny: Path, tmp_path: Path) -> None:
    spacy_elmo.load(tiny)
    spacy_elmo.load(tiny, initial_state="carry")
    elmo = spacy_elmo.load(tiny, initial_state="warm")
    elmo.save(tmp_path / "saved")
    [file] = own_cache.iterdir()
    file.unlink()
    saved = spacy_elmo.load(tmp_path / "saved", initial_state="warm")
    assert same(state_of(saved), state_of(elmo))
    assert len(made) == 1
    assert list(own_cache.iterdir()) == []


def test_a_damaged_file_is_made_again(own_cache: Path, made: list[Arrays], tiny: Path) -> None:
    spacy_elmo.load(tiny, initial_state="warm")
    [file] = own_cache.iterdir()
    file.write_bytes(file.read_bytes()[:-30])
    for _ in range(2):
        assert same(state_of(spacy_elmo.load(tiny, initial_state="warm")), made[-1])
    assert len(made) == 2
    assert list(own_cache.iterdir()) == [file]


def test_other_weights_have_their_own(
    own_cache: Path, made: list[Arrays], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_weights(tiny)
    weights.arrays["char_encoder.projection.bias"][0] += 1e-3
    write_folder(tmp_path / "other", weights.options, weights.arrays)
    for number, source in enumerate([tiny, tmp_path / "other"], start=1):
        spacy_elmo.load(source, initial_state="warm")
        assert len(list(own_cache.iterdir())) == number
    monkeypatch.setattr(warm_state, "SENTENCES", tmp_path / "text.txt")
    (tmp_path / "text.txt").write_text("other sentences\n")
    spacy_elmo.load(tiny, initial_state="warm")
    assert len(list(own_cache.iterdir())) == len(made) == 3


def test_a_cache_that_cannot_be_written(
    made: list[Arrays], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "file"))
    for number in (1, 2):
        with pytest.warns(UserWarning, match=r"WL005.*weights.hdf5' cannot be saved to .*file") as caught:
            elmo = spacy_elmo.load(tiny, initial_state="warm")
        assert len(caught) == 1
        assert same(state_of(elmo), made[-1])
        assert len(made) == number


def test_two_at_once(
    own_cache: Path, real: Arrays, tiny: Path, monkeypatch: pytest.MonkeyPatch, made: list[Arrays]
) -> None:
    """Both find nothing, both make a state, both write it: one complete file is there, before and after."""
    barrier = threading.Barrier(2, timeout=60)
    make_state = warm_state.make_state

    def make_together(weights: Any, sentences: Any, **settings: Any) -> Arrays:
        barrier.wait()
        make_state(weights, sentences)
        barrier.wait()
        return real

    monkeypatch.setattr(warm_state, "make_state", make_together)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: warm_state.get_default_state(read_weights(tiny)), range(2)))
    assert len(made) == 2
    assert same(both[0], both[1])
    assert same(warm_state.get_default_state(read_weights(tiny)), real)
    assert [path.suffix for path in own_cache.iterdir()] == [".npz"]
