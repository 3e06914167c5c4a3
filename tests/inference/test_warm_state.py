import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch

import spacy_elmo
import spacy_elmo.torch
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import CLOSING, OPENING, character_ids
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.elmo import Elmo
from spacy_elmo.errors import ElmoError
from spacy_elmo.inference import warm_state
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.reference import ReferenceEngine
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.inference.warm_state import (
    BURN_IN,
    LEAST_SENTENCES,
    N_ROWS,
    compute_mean_state,
    get_state_path,
    read_state,
    write_state,
)
from spacy_elmo.weights.arrays import Arrays, Weights, warm_state_shapes
from spacy_elmo.weights.catalogue import CATALOGUE
from spacy_elmo.weights.fetch.model_cache import model_folder
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights
from tests.published import put_in_cache

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
def read_each(bilm: BiLM, sentences: list[list[str]]) -> list[np.ndarray]:
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


def test_sentence_by_sentence(elmo: Elmo, bilm: BiLM, running_text: list[list[str]], way: str) -> None:
    state = mean(elmo, running_text)
    assert (state.hidden.shape, state.cell.shape) == ((2, 2, 8), (2, 2, 24))
    for part, expected in zip(state, read_each(bilm, running_text)):
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
    """The folder of states in a cache with nothing in it."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "warm_states"


@pytest.fixture
def english(own_cache: Path, tiny: Path) -> Path:
    """The tiny model as a published one of English prose, without a state."""
    return put_in_cache(tiny)


@pytest.fixture(scope="module")
def real(tiny: Path) -> Arrays:
    return warm_state.make_state(read_weights(tiny), warm_state.read_default_sentences())


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch, real: Arrays) -> list[Arrays]:
    """The states that have been made; quickly, hence wrong ones."""
    made: list[Arrays] = []

    def make_state(weights: Any, sentences: Any, **settings: Any) -> Arrays:
        made.append({name: array + len(made) + 1 for name, array in real.items()})
        return made[-1]

    monkeypatch.setattr(warm_state, "make_state", make_state)
    return made


def get_state(elmo: Elmo) -> Arrays:
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


def test_the_state_of_the_sentences(english: Path, real: Arrays) -> None:
    """What `load` takes is what the sentences make, with whatever settings, and vectors start from it."""
    for settings in ({}, {"max_batch_tokens": 10}, {"precision": "fp64"}):
        elmo = spacy_elmo.load(english, initial_state="warm", **settings)
        assert same(get_state(elmo), real), settings
    zero, hot = (spacy_elmo.load(english, initial_state=name).embed([["I"]])[0].elmo for name in ("zero", "warm"))
    assert np.abs(zero - hot).max() > 0.01


def test_nearer_to_carried_state_than_zeros(warm_tiny: Path, sentences: list[list[str]]) -> None:
    """What it is for: the first vector of a sentence in running text, which no sentence of the package is from."""
    running = sentences * 3
    carrying = spacy_elmo.load(warm_tiny, initial_state="carry")
    carried = [carrying.embed([sentence])[0].lstm_outputs1[0, :8] for sentence in running][1:]
    distance = {}
    for initial_state in ("zero", "warm"):
        outputs = spacy_elmo.load(warm_tiny, initial_state=initial_state).embed(running)
        first = [output.lstm_outputs1[0, :8] for output in outputs][1:]
        distance[initial_state] = float(np.mean([np.linalg.norm(a - b) for a, b in zip(first, carried)]))
    assert distance["warm"] < 0.5 * distance["zero"], distance


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_state_of_rounded_models(english: Path, real: Arrays, tmp_path: Path, precision: PrecisionName) -> None:
    if not (features.has_bf16() if precision == "bf16" else features.has_int8()):
        pytest.skip(f"this processor, or this torch, does not multiply in {precision}")
    rounded = spacy_elmo.load(english, initial_state="warm", precision=precision)
    assert same(get_state(rounded), real)
    rounded.save(tmp_path / "saved")
    assert same(get_state(spacy_elmo.load(tmp_path / "saved")), real)


def test_made_once(own_cache: Path, english: Path, states: list[Arrays]) -> None:
    first, second = (get_state(spacy_elmo.load(english, initial_state="warm")) for _ in range(2))
    assert same(first, second)
    assert same(first, states[0])
    assert len(states) == len(list(own_cache.iterdir())) == 1


def test_made_only_when_needed(own_cache: Path, english: Path, states: list[Arrays], tmp_path: Path) -> None:
    spacy_elmo.load(english)
    spacy_elmo.load(english, initial_state="carry")
    elmo = spacy_elmo.load(english, initial_state="warm")
    elmo.save(tmp_path / "saved")
    [file] = own_cache.iterdir()
    file.unlink()
    saved = spacy_elmo.load(tmp_path / "saved", initial_state="warm")
    assert same(get_state(saved), get_state(elmo))
    assert len(states) == 1
    assert list(own_cache.iterdir()) == []


def test_a_damaged_file_is_made_again(own_cache: Path, english: Path, states: list[Arrays]) -> None:
    spacy_elmo.load(english, initial_state="warm")
    [file] = own_cache.iterdir()
    file.write_bytes(file.read_bytes()[:-30])
    for _ in range(2):
        assert same(get_state(spacy_elmo.load(english, initial_state="warm")), states[-1])
    assert len(states) == 2
    assert list(own_cache.iterdir()) == [file]


def test_other_weights_have_their_own(
    own_cache: Path, english: Path, states: list[Arrays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = read_weights(english)
    weights.arrays["char_encoder.projection.bias"][0] += 1e-3
    other = model_folder("tfhub/elmo/3")
    write_folder(other, weights.options, weights.arrays)
    for number, source in enumerate([english, other], start=1):
        spacy_elmo.load(source, initial_state="warm")
        assert len(list(own_cache.iterdir())) == number
    monkeypatch.setattr(warm_state, "SENTENCES", tmp_path / "text.txt")
    (tmp_path / "text.txt").write_text("other sentences\n")
    spacy_elmo.load(english, initial_state="warm")
    assert len(list(own_cache.iterdir())) == len(states) == 3


def test_a_cache_that_cannot_be_written(own_cache: Path, english: Path, states: list[Arrays]) -> None:
    own_cache.write_text("in the way")
    for number in (1, 2):
        with pytest.warns(UserWarning, match=r"WL005.*weights.hdf5' cannot be saved to .*warm_states") as caught:
            elmo = spacy_elmo.load(english, initial_state="warm")
        assert len(caught) == 1
        assert same(get_state(elmo), states[-1])
        assert len(states) == number


def test_unknown_models(
    own_cache: Path, english: Path, states: list[Arrays], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes elsewhere are not a published model, though the cache has a state of these bytes."""
    spacy_elmo.load(english, initial_state="warm")
    [file] = own_cache.iterdir()
    assert file == get_state_path(read_weights(tiny), text=warm_state.SENTENCES, recipe=warm_state.RECIPE)
    pair = [tiny / "options.json", tiny / "weights.hdf5"]
    with monkeypatch.context() as patch:
        # A folder in the way of a published model's name.
        patch.chdir(tiny.parent)
        for source in (tiny, pair, pair[1], "tiny"):
            with pytest.raises(ElmoError, match=r"'[^']*tiny/weights.hdf5'.*at least 160 sentences") as caught:
                spacy_elmo.load(source, initial_state="warm")
            assert caught.value.code == "EL301"
            assert "spacy-elmo warm SOURCE TEXT --output FOLDER" in str(caught.value)
            assert "initial_state = 'zero'" in str(caught.value)
    with pytest.raises(ElmoError, match="EL301"):
        spacy_elmo.torch.ElmoModule(tiny, initial_state="warm")
    assert len(states) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("manylangs/pl", r"on Polish text\. "),
        ("clinical", r"on English text of the domain 'clinical'\. "),
        ("seqvec/zip", r"on data of the domain 'protein'\. "),
    ],
)
def test_models_of_other_text(name: str, words: str, english: Path, states: list[Arrays]) -> None:
    """Though an earlier version has left a state of the same weights in the cache."""
    spacy_elmo.load(english, initial_state="warm")
    folder = put_in_cache(english, name)
    for source in (folder, name):
        with pytest.raises(ElmoError, match=rf"'{name}' comes without a warm state\. .*{words}") as caught:
            spacy_elmo.load(source, initial_state="warm")
        assert caught.value.code == "EL300"
        assert "at least 160 sentences or sequences" in str(caught.value)
        assert f"spacy-elmo warm {name} TEXT --output FOLDER" in str(caught.value)
    assert len(states) == 1


def test_stored_states_of_any_model(own_cache: Path, warm_tiny: Path, real: Arrays) -> None:
    for source in (warm_tiny, put_in_cache(warm_tiny, "manylangs/de"), "de"):
        assert same(get_state(spacy_elmo.load(source, initial_state="warm")), real)
    assert not own_cache.exists()


@pytest.mark.parametrize("name", ["sparknlp/elmo", "elmo", "ADDRESS"])
def test_published_models(name: str, english: Path, real: Arrays) -> None:
    source = name if name != "ADDRESS" else CATALOGUE["sparknlp/elmo"].files[0].urls[0]
    elmo = spacy_elmo.load(source, initial_state="warm")
    assert same(get_state(elmo), real)
    # A module of a model that is loaded knows its source.
    module = spacy_elmo.torch.ElmoModule(spacy_elmo.load(source), initial_state="warm")
    assert module.warm_hidden is not None
    np.testing.assert_array_equal(module.warm_hidden, real["initial_state.hidden"])


def test_two_at_once(
    own_cache: Path, real: Arrays, english: Path, monkeypatch: pytest.MonkeyPatch, states: list[Arrays]
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
        both = list(pool.map(lambda _: warm_state.get_default_state(read_weights(english)), range(2)))
    assert len(states) == 2
    assert same(both[0], both[1])
    assert same(warm_state.get_default_state(read_weights(english)), real)
    assert [path.suffix for path in own_cache.iterdir()] == [".npz"]


# Files of states


@pytest.fixture
def tiny_weights(tiny: Path) -> Weights:
    return read_weights(tiny)


@pytest.fixture
def state(tiny_weights: Weights) -> Arrays:
    random = np.random.default_rng(1)
    shapes = warm_state_shapes(tiny_weights.options)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_path_of_a_state(tiny_weights: Weights, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a b\n")

    def path(recipe: str = "1") -> Path:
        return get_state_path(tiny_weights, text=text, recipe=recipe)

    first = path()
    # Where the weights are read from and what else is stored with them is all the same.
    tiny_weights.arrays.update(
        {"scalar_mix.gamma": np.array(2, np.float32), "scalar_mix.weights": np.ones(3, np.float32)}
    )
    write_folder(tmp_path / "copy", tiny_weights.options, tiny_weights.arrays)
    assert path() == first == get_state_path(read_weights(tmp_path / "copy"), text=text, recipe="1")
    paths = {first, path("2")}
    bias = tiny_weights.arrays["forward_stack.layers.1.input_linear.bias"]
    bias[3] *= 2
    paths.add(path())
    bias[3] /= 2
    assert path() == first
    text.write_text("a c\n")
    paths.add(path())
    assert len(paths) == 4


def test_write_and_read(tiny_weights: Weights, state: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "state.npz"
    assert read_state(path, tiny_weights.options) is None
    write_state(path, state, source="model")
    got = read_state(path, tiny_weights.options)
    assert got is not None
    assert list(got) == list(state)
    for name, array in state.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == np.float32
    assert os.listdir(path.parent) == ["state.npz"]


def test_damaged_files(tiny_weights: Weights, state: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    write_state(path, state, source="model")
    data = path.read_bytes()
    seen = 0
    for place in range(0, len(data), 11):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        got = read_state(path, tiny_weights.options)
        seen += got is None
        # What is not seen has done no harm: dates and the like.
        assert got is None or all((got[name] == state[name]).all() for name in state)
    assert seen > len(data) // 11 // 2
    for broken in (b"", b"PK", data[:-1], data[:200], np.arange(3).tobytes(), b"\x93NUMPY"):
        path.write_bytes(broken)
        assert read_state(path, tiny_weights.options) is None
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert read_state(path, tiny_weights.options) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {name: array[:1] for name, array in state.items()},
        lambda state: {name: array.astype(np.float64) for name, array in state.items()},
        lambda state: {"initial_state.hidden": state["initial_state.hidden"]},
        lambda state: {name: array.astype(object) for name, array in state.items()},
    ],
)
def test_files_of_other_states(
    tiny_weights: Weights, state: Arrays, tmp_path: Path, change: Callable[[Arrays], Arrays]
) -> None:
    write_state(tmp_path / "state.npz", change(state), source="model")
    assert read_state(tmp_path / "state.npz", tiny_weights.options) is None


def test_folder_that_cannot_be_written(state: Arrays, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match=r"WL005.*state of 'mine'.*SPACY_ELMO_CACHE.*spacy-elmo warm") as caught:
        write_state(tmp_path / "file" / "state.npz", state, source="mine")
    assert len(caught) == 1
    assert (tmp_path / "file").read_text() == "in the way"
