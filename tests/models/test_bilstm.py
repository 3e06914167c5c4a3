"""spacy-elmo.BiLSTMEncoder.v1: what it computes, how it learns, and how it is saved."""

import pickle
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import Adam, Model, fix_random_seed, set_dropout_rate

from spacy_elmo.models.bilstm import BiLSTMT, build_bilstm_encoder_v1
from tests.pipeline.training import LISTENER, initialize, pipeline, tags, train


def encoder(**settings: Any) -> BiLSTMT:
    fix_random_seed(0)
    model = build_bilstm_encoder_v1(**{"width": 6, "input_width": 5, **settings})
    model.initialize()
    return model


def docs(*lengths: int, width: int = 5, seed: int = 0) -> List[Any]:
    numbers = np.random.default_rng(seed)
    return [numbers.normal(size=(length, width)).astype("f") for length in lengths]


def reference(model: BiLSTMT, array: Any) -> Any:
    """One sequence through each direction of each layer by itself."""
    outputs = torch.tensor(array)
    for layer in model.shims[0].module.layers:
        halves = []
        for suffix, backward in (("", False), ("_reverse", True)):
            lstm = torch.nn.LSTM(layer.input_size, layer.hidden_size)
            lstm.load_state_dict({name: getattr(layer, name + suffix) for name in lstm.state_dict()})
            inputs = outputs.flip(0) if backward else outputs
            half = lstm(inputs)[0].detach()
            halves.append(half.flip(0) if backward else half)
        outputs = torch.cat(halves, dim=1)
    return outputs.numpy()


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=6), depth=st.integers(1, 3))
def test_each_doc_is_read_by_itself_from_both_ends(lengths: List[int], depth: int) -> None:
    model, inputs = encoder(depth=depth), docs(*lengths)
    outputs = model.predict(inputs)
    assert [output.shape for output in outputs] == [(length, 6) for length in lengths]
    for output, array in zip(outputs, inputs):
        if len(array):
            np.testing.assert_allclose(output, reference(model, array), atol=1e-6)
    in_training, _ = model.begin_update(inputs)
    for output, expected in zip(in_training, outputs):
        np.testing.assert_allclose(output, expected, atol=1e-6)


def test_gradients() -> None:
    """Against finite differences, of the inputs and of every kind of parameter."""
    model, inputs = encoder(depth=2), docs(3, 0, 1)
    module = model.shims[0].module.double()
    inputs = [array.astype("d") for array in inputs]
    factors = docs(3, 0, 1, width=6, seed=1)

    def value(arrays: List[Any]) -> float:
        flat = torch.tensor(np.concatenate(arrays))
        with torch.no_grad():
            outputs = module.eval()(flat, [3, 1], dropout=0.0)
        return float((outputs * torch.tensor(np.concatenate(factors))).sum())

    _, backprop = model.begin_update(inputs)
    found = backprop([np.asarray(factor, dtype="d") for factor in factors])
    assert [gradient.shape for gradient in found] == [array.shape for array in inputs]
    step = 1e-6
    for at, row, column in ((0, 0, 0), (0, 2, 4), (2, 0, 1)):
        moved = [array.copy() for array in inputs]
        moved[at][row, column] += step
        assert (value(moved) - value(inputs)) / step == pytest.approx(float(found[at][row, column]), abs=1e-5)
    for name, parameter in module.named_parameters():
        before = value(inputs)
        with torch.no_grad():
            parameter.view(-1)[1] += step
        moved_by = (value(inputs) - before) / step
        with torch.no_grad():
            parameter.view(-1)[1] -= step
        assert parameter.grad is not None
        assert moved_by == pytest.approx(float(parameter.grad.view(-1)[1]), abs=1e-5), name


@pytest.mark.parametrize("lengths", [(), (0,), (0, 0)])
def test_nothing_to_read(lengths: Any) -> None:
    model = encoder()
    outputs, backprop = model.begin_update(docs(*lengths))
    assert [output.shape for output in outputs] == [(0, 6)] * len(lengths)
    assert [gradient.shape for gradient in backprop(outputs)] == [(0, 5)] * len(lengths)
    assert not model.shims[0].has_gradient


@pytest.mark.parametrize(("own", "expected"), [(None, 0.5), (0.0, 0.0), (0.25, 0.25)])
def test_dropout(own: Any, expected: float) -> None:
    model, inputs = encoder(width=64, dropout=own), docs(50)
    set_dropout_rate(model, 0.5)
    (output,), _ = model.begin_update(inputs)
    assert (output == 0).mean() == pytest.approx(expected, abs=0.04)
    (predicted,) = model.predict(inputs)
    assert (predicted != 0).all()
    kept = output != 0
    np.testing.assert_allclose(output[kept] * (1 - expected), predicted[kept], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 5}, "EL124.*must be even.*got 5"),
        ({"width": 0}, "'width' must be a number from 1 up; got 0"),
        ({"depth": 0}, "'depth' must be a number from 1 up; got 0"),
        ({"input_width": -1}, "'input_width' must be a number from 1 up; got -1"),
        ({"dropout": 1.0}, "'dropout' must be a number from 0 to less than 1; got 1.0"),
    ],
)
def test_bad_settings(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoder(**settings)


def test_averages_are_used_and_taken_back() -> None:
    model, inputs = encoder(), docs(4, 2)
    sgd = Adam(0.1, L2=0.0, use_averages=True)
    before = model.predict(inputs)
    for _ in range(3):
        outputs, backprop = model.begin_update(inputs)
        backprop(outputs)
        model.finish_update(sgd)
    after = model.predict(inputs)
    with model.use_params(sgd.averages):
        averaged = model.predict(inputs)
        data = model.to_bytes()
    np.testing.assert_array_equal(np.concatenate(model.predict(inputs)), np.concatenate(after))
    apart = [np.abs(np.concatenate(one) - np.concatenate(averaged)).max() for one in (before, after)]
    assert min(apart) > 1e-3
    saved = encoder().from_bytes(data)
    np.testing.assert_array_equal(np.concatenate(saved.predict(inputs)), np.concatenate(averaged))


def test_saved_bytes_run_no_code(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    shim = encoder().shims[0]
    state = spacy.util.srsly.msgpack_loads(shim.to_bytes())
    state["state"] = pickle.dumps(Code(), protocol=2)
    with pytest.raises(pickle.UnpicklingError):
        shim.from_bytes(spacy.util.srsly.msgpack_dumps(state))
    assert not (tmp_path / "ran").exists()


def test_copies_learn_for_themselves() -> None:
    model: Model[Any, Any] = encoder()
    copy = model.copy()
    assert copy.shims[0].id != model.shims[0].id
    sgd, inputs = Adam(0.1), docs(3)
    outputs, backprop = copy.begin_update(inputs)
    backprop(outputs)
    copy.finish_update(sgd)
    assert not np.array_equal(copy.predict(inputs)[0], model.predict(inputs)[0])


def test_a_tagger_learns_through_it_and_is_saved(tmp_path: Path) -> None:
    block = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {**LISTENER, "width": 16},
        "encode": {"@architectures": "spacy-elmo.BiLSTMEncoder.v1", "width": 16},
    }
    nlp = pipeline("tagger", listener=block)
    initialize(nlp)
    sgd = Adam(0.01)
    losses = [train(nlp, sgd, steps=20)["tagger"] for _ in range(4)]
    assert losses[-1] < losses[0] / 4
    nlp.to_disk(tmp_path)
    assert tags(spacy.load(tmp_path)) == tags(nlp)
    assert tags(pickle.loads(pickle.dumps(nlp))) == tags(nlp)
