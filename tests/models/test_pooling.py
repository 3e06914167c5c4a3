"""What a task makes of the layers, and what flows back."""

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import Model, fix_random_seed, set_dropout_rate

from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.models.output import FlatLayers
from spacy_elmo.models.pooling import PoolingSettings, PoolingT, fit, mix, pooling
from tests.components import Arrays, get_array, set_array

NAMES = ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]
WIDTHS = {"word_emb": 4, "lstm_outputs1": 8, "lstm_outputs2": 8, "elmo": 8}
LENGTHS = [3, 0, 2]


PoolingModel = Model[FlatLayers, Arrays]


def make(width: int | None = None, **settings: Any) -> PoolingModel:
    defaults = {"pooling_layer": None, "layer_norm": False, "dropout": None, "l2": 0.0, "grad_factor": 1.0}
    return cast(PoolingModel, pooling(PoolingSettings(**{**defaults, **settings}), width=width))


def layers(received: list[dict[str, Any]] | None = None, seed: int = 0) -> FlatLayers:
    numbers = np.random.default_rng(seed)
    arrays: dict[str, Any] = {name: numbers.normal(size=(5, WIDTHS[name])).astype("f") for name in NAMES}
    return FlatLayers(arrays, LENGTHS, 2, None if received is None else received.append)


def run(model: PoolingModel, batch: FlatLayers, is_train: bool = False) -> np.ndarray:
    return np.concatenate(model(batch, is_train)[0])


def test_shapes_and_parameters() -> None:
    model = make()
    outputs = model.predict(layers())
    assert [output.shape for output in outputs] == [(3, 8), (0, 8), (2, 8)]
    assert model.get_param("weights").tolist() == [0, 0, 0]
    assert model.get_param("gamma").tolist() == [1]
    arrays = layers().arrays
    doubled = np.concatenate([arrays["word_emb"]] * 2, axis=1)
    expected = (doubled + arrays["lstm_outputs1"] + arrays["lstm_outputs2"]) / 3
    np.testing.assert_allclose(np.concatenate(outputs), expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_one_layer(name: str) -> None:
    received: list[dict[str, Any]] = []
    model, batch = make(pooling_layer=name), layers(received)
    outputs, backprop = model(batch, is_train=True)
    np.testing.assert_array_equal(np.concatenate(outputs), batch.arrays[name])
    assert model.param_names == ()
    backprop(outputs)
    assert list(received[0]) == [name]
    np.testing.assert_array_equal(received[0][name], batch.arrays[name])


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("pooling_layer", [None, "lstm_outputs1"])
def test_finite_differences(layer_norm: bool, pooling_layer: str | None) -> None:
    received: list[dict[str, Any]] = []
    model, batch = make(layer_norm=layer_norm, pooling_layer=pooling_layer), layers(received)
    numbers = np.random.default_rng(1)
    d = numbers.normal(size=(5, 8)).astype("f")
    model(batch, is_train=True)
    if pooling_layer is None:
        set_array(model, "weights", numbers.normal(size=3))
        set_array(model, "gamma", [1.7])
    _, backprop = model(batch, is_train=True)
    backprop(np.split(d, np.cumsum(LENGTHS)[:-1]))

    def loss() -> float:
        return float((run(model, batch).astype("d") * d).sum())

    places: list[tuple[Any, Any]] = [(batch.arrays[name], received[0][name]) for name in received[0]]
    if pooling_layer is None:
        places += [(get_array(model, name), model.get_grad(name)) for name in ("weights", "gamma")]
    for values, gradient in places:
        assert gradient.shape == values.shape
        direction = numbers.normal(size=values.shape).astype("f")
        before = values.copy()
        differences = []
        for sign in (1, -1):
            values[...] = before + sign * 0.01 * direction
            differences.append(loss())
        values[...] = before
        assert (differences[0] - differences[1]) / 0.02 == pytest.approx(
            float((gradient * direction).sum()), rel=2e-3, abs=2e-3
        )


def test_layer_norm_is_per_token() -> None:
    model = make(layer_norm=True, pooling_layer="lstm_outputs2")
    batch = layers()
    batch.arrays["lstm_outputs2"][1] = 0  # whitespace
    outputs = run(model, batch)
    assert not outputs[1].any()
    others = outputs[[0, 2, 3, 4]]
    np.testing.assert_allclose(others.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(others.std(axis=1), 1, atol=1e-5)
    alone = FlatLayers({name: array[:1] for name, array in batch.arrays.items()}, [1], 2)
    np.testing.assert_array_equal(run(model, alone), outputs[:1])  # whatever else is in the batch


def test_penalty_counts_once_a_step() -> None:
    model = make(l2=0.5)
    run(model, layers())
    set_array(model, "weights", [1.0, -2.0, 3.0])
    nothing = [np.zeros((length, 8), dtype="f") for length in LENGTHS]
    for _ in range(3):
        model(layers(), is_train=True)[1](nothing)
    # d(l2 * sum w^2) = 2 * l2 * w, once, though the batch came in three parts.
    assert model.get_grad("weights").tolist() == [1.0, -2.0, 3.0]


def test_grad_factor() -> None:
    half: list[dict[str, Any]] = []
    none: list[dict[str, Any]] = []
    whole: list[dict[str, Any]] = []
    models = []
    for factor, received in ((1.0, whole), (0.5, half), (0.0, none)):
        model = make(grad_factor=factor)
        outputs, backprop = model(layers(received), is_train=True)
        backprop(outputs)
        models.append(model)
    assert none == []
    for name in whole[0]:
        np.testing.assert_allclose(half[0][name], whole[0][name] / 2, rtol=1e-6)
    # The task's own mix learns all the same.
    assert len({tuple(model.get_grad("weights").tolist()) for model in models}) == 1


def test_dropout() -> None:
    fix_random_seed(0)
    model = make(pooling_layer="lstm_outputs1")
    ones: Any = np.ones((200, 8), dtype="f")
    batch = FlatLayers({"lstm_outputs1": ones}, [200], 2)
    assert (run(model, batch, is_train=True) == 1).all()
    set_dropout_rate(model, 0.25)
    dropped = run(model, batch, is_train=True)
    assert np.unique(dropped).tolist() == [0.0, pytest.approx(4 / 3)]
    assert (dropped == 0).mean() == pytest.approx(0.25, abs=0.05)
    assert (run(model, batch) == 1).all()
    # What the config says is stronger than what components set.
    own = make(pooling_layer="lstm_outputs1", dropout=0.5)
    set_dropout_rate(own, 0.1)
    outputs, _ = own(batch, is_train=True)
    assert (outputs[0] == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_what_was_dropped_gets_no_gradient() -> None:
    fix_random_seed(0)
    received: list[dict[str, Any]] = []
    model = make(pooling_layer="lstm_outputs1", dropout=0.5)
    outputs, backprop = model(layers(received), is_train=True)
    backprop([np.ones_like(output) for output in outputs])
    np.testing.assert_array_equal(received[0]["lstm_outputs1"] == 0, np.concatenate(outputs) == 0)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"pooling_layer": "top"}, r"EL030.*pooling_layer 'top'.*word_emb"),
        ({"dropout": 1.0}, r"EL098.*dropout.*1\.0"),
        ({"dropout": -0.1}, r"EL098.*dropout"),
        ({"l2": -1.0}, r"EL098.*l2"),
    ],
)
def test_values_that_are_not_allowed(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make(**settings)


def test_a_layer_that_the_model_does_not_have() -> None:
    with pytest.raises(ValueError, match=r"EL031.*lstm_outputs3.*2 LSTM"):
        make(pooling_layer="lstm_outputs3").predict(layers())


def test_another_width() -> None:
    with pytest.raises(ValueError, match=r"EL101.*width 6.*the layers is 8.*`width = 8`"):
        make(width=6).predict(layers())
    model = make(width=8)
    fit(cast(PoolingT, model), n_layers=2, width=8, where="here")
    assert model.get_dim("nL") == 3


def test_saving_and_copying() -> None:
    model = make()
    run(model, layers())
    set_array(model, "weights", [1.0, 2.0, 3.0])
    loaded = make(dropout=0.3).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(run(loaded, layers()), run(model, layers()))
    assert loaded.attrs["pooling"].dropout == 0.3  # the config's, not what was saved
    np.testing.assert_array_equal(run(model.copy(), layers()), run(model, layers()))


@settings(deadline=None, max_examples=50)
@given(n_layers=st.integers(1, 4), n_tokens=st.integers(0, 5), seed=st.integers(0, 1000), narrow=st.booleans())
def test_the_same_as_torch_differentiates(n_layers: int, n_tokens: int, seed: int, narrow: bool) -> None:
    numbers = np.random.default_rng(seed)
    widths = [3 if narrow and j == 0 and n_layers > 1 else 6 for j in range(n_layers)]
    layers: list[Any] = [numbers.normal(size=(n_tokens, width)) for width in widths]
    weights: Any = numbers.normal(size=n_layers)
    gamma = float(numbers.normal())
    d_mixed: Any = numbers.normal(size=(n_tokens, 6))

    mixed, backprop = mix(np, layers, weights, gamma)
    found = backprop(d_mixed)

    module = ScalarMix(n_layers=n_layers).double()
    module.weights.data, module.gamma.data = torch.tensor(weights), torch.tensor(gamma, dtype=torch.float64)
    tensors = [torch.tensor(layer, requires_grad=True) for layer in layers]
    expected = module([torch.cat([t, t], dim=1) if t.shape[1] == 3 else t for t in tensors])
    expected.backward(torch.tensor(d_mixed))
    assert module.weights.grad is not None
    assert module.gamma.grad is not None
    np.testing.assert_allclose(np.asarray(mixed), expected.detach(), atol=1e-12)
    np.testing.assert_allclose(np.asarray(found.weights), module.weights.grad, atol=1e-10)
    assert found.gamma == pytest.approx(float(module.gamma.grad), abs=1e-10)
    for layer, tensor in zip(found.layers(), tensors):
        assert tensor.grad is not None
        np.testing.assert_allclose(np.asarray(layer), tensor.grad, atol=1e-12)


def test_layers_stay_as_they_are() -> None:
    layers: list[Any] = [np.ones((2, 4), dtype="f"), np.ones((2, 4), dtype="f")]
    zeros: Any = np.zeros(2, dtype="f")
    mixed, backprop = mix(np, layers, zeros, 3.0)
    assert mixed.dtype == np.float32
    assert (mixed == 3).all()
    gradient: Any = np.ones((2, 4), dtype="f")
    backprop(gradient).layers()
    assert (layers[0] == 1).all()


def test_large_weights_do_not_overflow() -> None:
    layers: list[Any] = [np.ones((1, 2)), np.zeros((1, 2))]
    weights: Any = np.array([2000.0, -2000.0])
    mixed, _ = mix(np, layers, weights, 1.0)
    assert mixed.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("n_weights", [1, 3])
def test_another_number_of_layers_than_weights(n_weights: int) -> None:
    layers: list[Any] = [np.ones((2, 4), dtype="float32")] * 2
    weights: Any = np.zeros(n_weights, dtype="float32")
    with pytest.raises(ValueError, match=rf"EL241.*{n_weights} weights, but 2 layers"):
        mix(np, layers, weights, 1.0)
