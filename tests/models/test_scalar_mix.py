import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.models.scalar_mix import mix


@settings(deadline=None, max_examples=50)
@given(n_layers=st.integers(1, 4), n_tokens=st.integers(0, 5), seed=st.integers(0, 1000), narrow=st.booleans())
def test_the_same_as_torch_differentiates(n_layers: int, n_tokens: int, seed: int, narrow: bool) -> None:
    numbers = np.random.default_rng(seed)
    widths = [3 if narrow and j == 0 and n_layers > 1 else 6 for j in range(n_layers)]
    layers = [numbers.normal(size=(n_tokens, width)) for width in widths]
    weights, gamma = numbers.normal(size=n_layers), float(numbers.normal())
    d_mixed = numbers.normal(size=(n_tokens, 6))

    mixed, backprop = mix(np, layers, weights, gamma)
    found = backprop(d_mixed)

    module = ScalarMix(n_layers=n_layers).double()
    module.weights.data, module.gamma.data = torch.tensor(weights), torch.tensor(gamma, dtype=torch.float64)
    tensors = [torch.tensor(layer, requires_grad=True) for layer in layers]
    expected = module([torch.cat([t, t], dim=1) if t.shape[1] == 3 else t for t in tensors])
    expected.backward(torch.tensor(d_mixed))
    np.testing.assert_allclose(mixed, expected.detach(), atol=1e-12)
    np.testing.assert_allclose(found.weights, module.weights.grad, atol=1e-10)
    assert found.gamma == pytest.approx(float(module.gamma.grad), abs=1e-10)
    for layer, tensor in zip(found.layers(), tensors):
        np.testing.assert_allclose(layer, tensor.grad, atol=1e-12)


def test_layers_stay_as_they_are() -> None:
    layers = [np.ones((2, 4), dtype="f"), np.ones((2, 4), dtype="f")]
    mixed, backprop = mix(np, layers, np.zeros(2, dtype="f"), 3.0)
    assert mixed.dtype == np.float32
    assert (mixed == 3).all()
    backprop(np.ones((2, 4), dtype="f")).layers()
    assert (layers[0] == 1).all()


def test_large_weights_do_not_overflow() -> None:
    mixed, _ = mix(np, [np.ones((1, 2)), np.zeros((1, 2))], np.array([2000.0, -2000.0]), 1.0)
    assert mixed.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("n_weights", [1, 3])
def test_another_number_of_layers_than_weights(n_weights: int) -> None:
    layers = [np.ones((2, 4), dtype="float32")] * 2
    with pytest.raises(ValueError, match=rf"EL241.*{n_weights} weights, but 2 layers"):
        mix(np, layers, np.zeros(n_weights, dtype="float32"), 1.0)
