"""Elmo: the states that sentences start from."""

import copy
import itertools
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference.settings import InitialState
from spacy_elmo.weights.arrays import warm_state_shapes
from tests import reference
from tests.data import worst


@pytest.fixture
def warm(elmo: Elmo, tmp_path: Path) -> Path:
    """The tiny model with a warm state."""
    from spacy_elmo.weights.formats.folder import write_folder

    random = np.random.default_rng(3)
    shapes = warm_state_shapes(elmo.options)
    state = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    write_folder(tmp_path / "warm", elmo.options, {**elmo.named_arrays(), **state})
    return tmp_path / "warm"


def test_carry(tiny: Path, tiny_options: dict[str, Any], sentences: list[list[str]]) -> None:
    """Two calls of different sizes against the formulas, with an empty sentence that counts."""
    arrays = reference.read_hdf5(tiny / "weights.hdf5")
    elmo = spacy_elmo.load(tiny, initial_state="carry", max_batch_tokens=30)
    calls = [[sentences[0], [], sentences[2]], [sentences[4], sentences[5]], [*sentences[1:4], sentences[6]]]
    states: list[dict[str, Any]] = [{} for _ in range(4)]
    for call in calls:
        expected = [reference.layers(s, tiny_options, arrays, state) for s, state in zip(call, states)]
        assert worst([output.stack() for output in elmo.embed(call)], expected) <= 1e-5


def test_carry_reset(tiny: Path, sentences: list[list[str]]) -> None:
    elmo = spacy_elmo.load(tiny, initial_state="carry")
    first = elmo.embed(sentences[:2])[0].elmo
    assert worst([first], [elmo.embed(sentences[:2])[0].elmo]) > 0.01
    elmo.reset_state()
    np.testing.assert_array_equal(first, elmo.embed(sentences[:2])[0].elmo)


def test_carry_runs_all_layers(tiny: Path, sentences: list[list[str]]) -> None:
    one, two = (spacy_elmo.load(tiny, initial_state="carry") for _ in range(2))
    one.embed(sentences[:2], layers=["word_emb"])
    two.embed(sentences[:2])
    np.testing.assert_array_equal(one.embed(sentences[2:4])[1].elmo, two.embed(sentences[2:4])[1].elmo)


@pytest.mark.parametrize("empty", [[], [[]], [[], [], []], iter([[], []])])
def test_carry_with_an_empty_batch(tiny: Path, sentences: list[list[str]], empty: Any) -> None:
    one, two = (spacy_elmo.load(tiny, initial_state="carry") for _ in range(2))
    empty = list(empty)
    assert [len(output) for output in one.embed(empty)] == [0] * len(empty)
    for elmo in (one, two):
        elmo.embed(sentences[:2])
    assert [output.elmo.shape for output in one.embed(empty)] == [(0, 16)] * len(empty)
    for first, other in zip(one.embed(sentences[2:4]), two.embed(sentences[2:4]), strict=True):
        np.testing.assert_array_equal(first.stack(), other.stack())


def test_carry_after_an_input_error(tiny: Path, sentences: list[list[str]]) -> None:
    one, two = (spacy_elmo.load(tiny, initial_state="carry", max_batch_tokens=10) for _ in range(2))
    for elmo in (one, two):
        elmo.embed(sentences[:2])

    def fail() -> Iterator[list[str]]:
        yield sentences[2]
        raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        one.embed(fail())
    np.testing.assert_array_equal(one.embed(sentences[:1])[0].elmo, two.embed(sentences[:1])[0].elmo)


def test_carry_after_an_engine_error(
    tiny: Path, sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second part of a batch, when the first part's state is known already."""
    one, two = (spacy_elmo.load(tiny, initial_state="carry", max_batch_tokens=10) for _ in range(2))
    for elmo in (one, two):
        elmo.embed(sentences[:3])
    plan, calls = one.engine.plan, itertools.count()
    with monkeypatch.context() as patch:
        patch.setattr(one.engine, "plan", lambda *a, **k: plan(*a, **k) if next(calls) == 0 else _break())
        with pytest.raises(RuntimeError, match="broken"):
            one.embed(sentences[:3])
    assert next(calls) > 1
    np.testing.assert_array_equal(one.embed(sentences[:1])[0].elmo, two.embed(sentences[:1])[0].elmo)


def _break() -> Any:
    raise RuntimeError("broken")


def test_a_stream_cannot_carry(tiny: Path) -> None:
    with pytest.raises(ValueError, match=r"EL037.*once for each batch"):
        spacy_elmo.load(tiny, initial_state="carry").stream([["a"]])


def test_carry_after_a_failed_call(tiny: Path, sentences: list[list[str]]) -> None:
    one, two = (spacy_elmo.load(tiny, initial_state="carry") for _ in range(2))
    for elmo in (one, two):
        elmo.embed(sentences[:2])
    with pytest.raises(ValueError, match="EL034"):
        one.embed([["good"], [3]])  # type: ignore[list-item]
    np.testing.assert_array_equal(one.embed(sentences[:1])[0].elmo, two.embed(sentences[:1])[0].elmo)


def test_warm(warm: Path, tiny_options: dict[str, Any], tiny: Path, sentences: list[list[str]]) -> None:
    """Every sentence starts from the stored state, whatever came before."""
    arrays = reference.read_hdf5(tiny / "weights.hdf5")
    elmo = spacy_elmo.load(warm, initial_state="warm")
    state = elmo.warm_state
    assert state is not None
    start = {
        f"RNN_{d}/RNN/MultiRNNCell/Cell{k}/LSTMCell": (state.hidden[d, k].numpy(), state.cell[d, k].numpy())
        for d in (0, 1)
        for k in (0, 1)
    }
    for _ in range(2):
        got = [output.stack() for output in elmo.embed(sentences)]
        expected = [reference.layers(sentence, tiny_options, arrays, dict(start)) for sentence in sentences]
        assert worst(got, expected) <= 1e-5
    zero = spacy_elmo.load(warm).embed(sentences)
    assert worst([output.stack() for output in zero], got) > 0.01


def test_states_follow_the_modules(warm: Path, sentences: list[list[str]]) -> None:
    """A shim moves modules to another device, or to another type, without Elmo's doing."""
    for initial_state in ("warm", "carry"):
        elmo = spacy_elmo.load(warm, precision="fp64", initial_state=initial_state)
        assert elmo.embed(sentences[:2])[0].elmo.dtype == np.float64
        assert elmo.engine.module is not None
        elmo.engine.module.float()
        elmo.mix.float()
        assert elmo.embed(sentences[:2])[0].elmo.dtype == np.float32


@pytest.mark.parametrize("initial_state", ["zero", "warm", "carry"])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda elmo: pickle.loads(pickle.dumps(elmo))])
def test_copies(warm: Path, sentences: list[list[str]], initial_state: InitialState, duplicate: Any) -> None:
    elmo = spacy_elmo.load(warm, initial_state=initial_state)
    elmo.embed(sentences[:3])
    twin = duplicate(elmo)
    assert twin.settings == elmo.settings
    for _ in range(2):
        for one, other in zip(elmo.embed(sentences), twin.embed(sentences)):
            np.testing.assert_array_equal(one.stack(), other.stack())
            np.testing.assert_array_equal(one.elmo, other.elmo)


def test_moved_with_state_and_weights(
    warm: Path, sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a GPU, for which only the attribute `device` stands here."""
    for initial_state in ("zero", "warm", "carry"):
        elmo, twin = (spacy_elmo.load(warm, initial_state=initial_state) for _ in range(2))
        for one in (elmo, twin):
            with torch.no_grad():
                one.mix.gamma.fill_(3.0)
            one.embed(sentences[:2])
        mix, engine = elmo.mix, elmo.engine
        with monkeypatch.context() as patch:
            patch.setattr(type(elmo), "device", property(lambda self: torch.device("meta")))
            assert elmo.to("cpu") is elmo
        assert elmo.engine is not engine
        # An optimizer may hold its parameters.
        assert elmo.mix is mix
        for got, expected in zip(elmo.embed(sentences), twin.embed(sentences), strict=True):
            np.testing.assert_array_equal(got.stack(), expected.stack())
            np.testing.assert_array_equal(got.elmo, expected.elmo)
