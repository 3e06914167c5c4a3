from typing import List

import pytest
import torch

from spacy_elmo.engine import features
from spacy_elmo.engine.linear import (
    Int8Linear,
    LinearType,
    PackedBF16Linear,
    PackedFineLinear,
    PackedLinear,
    TorchBF16Linear,
    TorchLinear,
    round_up,
)

EXACT = [TorchLinear, PackedLinear, PackedFineLinear]
# What weights and inputs of this spread may miss by, in each form: rounding of 24, 8 and about 7 bits.
TOLERANCES = {TorchBF16Linear: 0.1, PackedBF16Linear: 0.1, Int8Linear: 0.2}


@pytest.fixture(params=[*EXACT, *TOLERANCES], ids=lambda kind: kind.__name__)
def linear(request: pytest.FixtureRequest) -> LinearType:
    kind: LinearType = request.param
    if issubclass(kind, PackedLinear) and not features.has_packed_linear():
        pytest.skip("no packed matrix products on this processor, or in this torch")
    if kind is Int8Linear and not features.has_int8():
        pytest.skip("no 8-bit matrix products on this processor, or in this torch")
    return kind


def made(n_outputs: int, n_inputs: int, n_rows: int) -> List[torch.Tensor]:
    torch.manual_seed(n_outputs + n_inputs + n_rows)
    return [
        torch.randn(n_outputs, n_inputs) / n_inputs**0.5,
        torch.randn(n_outputs),
        torch.randn(n_rows, n_inputs),
    ]


@pytest.mark.parametrize("shape", [(8, 6), (64, 40), (32, 700), (1, 1)])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 9, 33, 130])
@torch.inference_mode()
def test_products(linear: LinearType, shape: List[int], n_rows: int) -> None:
    weight, bias, x = made(*shape, n_rows)
    expected = x.double() @ weight.double().t()
    tolerance = TOLERANCES.get(linear, 1e-5)
    with_bias, without = linear(weight, bias), linear(weight)
    got = with_bias(linear.prepare(x))
    assert got.dtype == with_bias.dtype
    assert got.shape == (n_rows, with_bias.n_outputs) == (n_rows, shape[0])
    torch.testing.assert_close(got.double(), expected + bias, atol=tolerance, rtol=0)
    other = torch.randn(n_rows, shape[0]).to(with_bias.dtype)
    before = other.clone()
    total = without.add(linear.prepare(x), other)
    torch.testing.assert_close(total.double(), expected + before.double(), atol=tolerance, rtol=0)


@torch.inference_mode()
def test_weights_come_back(linear: LinearType) -> None:
    weight, bias, _ = made(24, 600, 1)
    back = linear(weight, bias).weight()
    if linear in EXACT:
        assert torch.equal(back, weight)
    else:
        torch.testing.assert_close(back.float(), weight, atol=0.01, rtol=0)
        # Rounding what is rounded changes nothing.
        torch.testing.assert_close(linear(back.float()).weight(), back, atol=1e-7, rtol=1e-6)


@torch.inference_mode()
def test_rows_do_not_see_each_other(linear: LinearType) -> None:
    weight, bias, x = made(32, 48, 16)
    one = linear(weight, bias)
    expected = one(linear.prepare(x))
    x[1:] *= 1000
    assert torch.equal(one(linear.prepare(x))[0], expected[0])


def test_rows_of_zeros(linear: LinearType) -> None:
    weight, bias, x = made(8, 16, 4)
    with torch.inference_mode():
        got = linear(weight, bias)(linear.prepare(torch.zeros_like(x)))
    torch.testing.assert_close(got.float(), bias.expand(4, -1), atol=0.02, rtol=0)


@torch.inference_mode()
def test_fine_sums_are_nearer() -> None:
    if not features.has_packed_linear():
        pytest.skip("no packed matrix products on this processor, or in this torch")
    weight, bias, x = made(64, 8192, 32)
    expected = x.double() @ weight.double().t() + bias
    errors = [float((kind(weight, bias)(x) - expected).pow(2).mean()) for kind in (PackedFineLinear, PackedLinear)]
    assert errors[0] < errors[1]


def test_few_row_numbers_reach_onednn() -> None:
    assert sorted({round_up(n) for n in range(1, 129)}) == [1, 2, 4, 8, 16, 32, 64, 96, 112, 128]
    assert all(n <= round_up(n) <= max(2 * n, 1) for n in range(5000))
