import math
from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.pretraining.start import init_weights
from tests.pretraining.tiny import lm_options

# So many numbers of each kind that their deviation is known to about 1%.
SIZES: dict[str, Any] = {
    "dim": 96, "projection_dim": 48, "n_layers": 2, "n_highway": 2, "embedding": {"dim": 16},
    "filters": [[1, 64], [3, 80]], "activation": "relu",
}  # fmt: skip


def fresh(*, seed: int = 0, **settings: Any) -> dict[str, Tensor]:
    """Draw new weights, by name, over NaN."""
    bilm = BiLM(options=lm_options(**{**SIZES, **settings}))
    with torch.no_grad():
        for parameter in bilm.parameters():
            parameter.fill_(math.nan)
    torch.manual_seed(seed)
    init_weights(bilm)
    assert all(parameter.requires_grad for parameter in bilm.parameters())
    found = {name: parameter.detach() for name, parameter in bilm.named_parameters()}
    assert all(parameter.isfinite().all() for parameter in found.values())
    return found


def assert_uniform(numbers: Tensor, bound: float) -> None:
    n = numbers.numel()
    assert 0.97 * bound < float(numbers.abs().max()) <= bound
    assert abs(float(numbers.mean())) < 4 * bound / math.sqrt(3 * n)
    # Half of them lie within half the bound.
    assert float((numbers.abs() < bound / 2).double().mean()) == pytest.approx(0.5, abs=2 / math.sqrt(n))
    assert float(numbers.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


def assert_normal(numbers: Tensor, deviation: float) -> None:
    n = numbers.numel()
    assert abs(float(numbers.mean())) < 4 * deviation / math.sqrt(n)
    assert float(numbers.std()) == pytest.approx(deviation, rel=4 / math.sqrt(2 * n))
    # Not cut off, as TensorFlow's truncated_normal is at 2, nor of another shape.
    assert float((numbers.abs() < deviation).double().mean()) == pytest.approx(0.6827, abs=2 / math.sqrt(n))
    assert float(numbers.abs().max()) > 2.2 * deviation


def test_characters() -> None:
    weight = fresh()["char_encoder.embedding.weight"]
    assert_uniform(weight[1:], 1.0)
    assert not weight[0].any()


def test_convolutions_under_relu() -> None:
    found = fresh()
    for number in (0, 1):
        assert_uniform(found[f"char_encoder.convolutions.{number}.weight"], 0.05)
        assert not found[f"char_encoder.convolutions.{number}.bias"].any()


def test_convolutions_under_tanh() -> None:
    """The scale depends on the numbers in a window."""
    found = fresh(activation="tanh")
    for number, width in enumerate((1, 3)):
        assert_normal(found[f"char_encoder.convolutions.{number}.weight"], math.sqrt(1 / (width * 16)))
        assert not found[f"char_encoder.convolutions.{number}.bias"].any()


def test_highways() -> None:
    found = fresh()
    for number in (0, 1):
        prefix = f"char_encoder.highways.{number}"
        for part, bias in (("carry", -2.0), ("transform", 0.0)):
            assert_normal(found[f"{prefix}.{part}.weight"], math.sqrt(1 / 144))
            assert (found[f"{prefix}.{part}.bias"] == bias).all()


def test_projection_of_words() -> None:
    found = fresh()
    assert_normal(found["char_encoder.projection.weight"], math.sqrt(1 / 144))
    assert not found["char_encoder.projection.bias"].any()


@pytest.mark.parametrize("stack", ["forward_stack", "backward_stack"])
@pytest.mark.parametrize("layer", [0, 1])
def test_lstms(stack: str, layer: int) -> None:
    """Glorot's rule: 48 inputs and 48 states for 4 * 96 gates; 96 cells for 48 outputs."""
    found = fresh()
    prefix = f"{stack}.layers.{layer}"
    for name in ("input_linear", "state_linear"):
        assert_uniform(found[f"{prefix}.{name}.weight"], math.sqrt(6 / (96 + 384)))
    assert_uniform(found[f"{prefix}.projection.weight"], math.sqrt(6 / (96 + 48)))
    # bilm-tf's 1 of the forget gate, the second of the four.
    bias = found[f"{prefix}.input_linear.bias"].view(4, 96)
    assert (bias == torch.tensor([0.0, 1, 0, 0]).unsqueeze(1)).all()


def test_without_optional_parts() -> None:
    found = fresh(dim=144, projection_dim=144, n_highway=0, n_layers=1)
    assert not [name for name in found if "highway" in name or "projection" in name]
    assert_uniform(found["forward_stack.layers.0.state_linear.weight"], math.sqrt(6 / (288 + 576)))


def test_depends_on_the_generator() -> None:
    one, same, other = fresh(seed=1), fresh(seed=1), fresh(seed=2)
    assert all(torch.equal(one[name], same[name]) for name in one)
    differ = {name for name in one if not torch.equal(one[name], other[name])}
    assert differ == {name for name in one if not name.endswith("bias")}


def test_different_matrices() -> None:
    found = [value.flatten()[:20] for name, value in fresh().items() if not name.endswith("bias")]
    # The first row of characters is zero.
    assert len({tuple(value.tolist()) for value in found}) == len(found)
