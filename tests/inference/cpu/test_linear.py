import pytest
import torch

from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.cpu.linear import (
    Int8Linear,
    LinearType,
    PackedAndPlainLinear,
    PackedBF16Linear,
    PackedFineLinear,
    PackedLinear,
    TorchBF16Linear,
    TorchLinear,
    UInt8Linear,
)
from spacy_elmo.inference.cpu.steps import add_product
from spacy_elmo.inference.schedule import round_up

EXACT = [TorchLinear, PackedLinear, PackedFineLinear, PackedAndPlainLinear]
# What weights and inputs of this spread may miss by, in each form: rounding of 24, 8 and about 7 bits.
TOLERANCES = {TorchBF16Linear: 0.1, PackedBF16Linear: 0.1, Int8Linear: 0.2, UInt8Linear: 0.2}


def skip_unless_here(kind: LinearType) -> None:
    if issubclass(kind, PackedLinear) and not features.has_packed_linear():
        pytest.skip("no packed matrix products on this processor, or in this torch")
    if issubclass(kind, PackedBF16Linear) and not packs_bf16():
        pytest.skip("no packed bfloat16 products on this processor")
    # Fast or not: what is slow must be right, too.
    if issubclass(kind, Int8Linear) and not features._works(features._make_product(kind)):
        pytest.skip("no 8-bit matrix products on this processor, or in this torch")


def packs_bf16() -> bool:
    """Whether oneDNN lays out bfloat16 matrices here, fast or not."""
    try:
        PackedBF16Linear(torch.ones(8, 6))
    except RuntimeError:
        return False
    return True


@pytest.fixture(params=[*EXACT, *TOLERANCES], ids=lambda kind: kind.__name__)
def linear(request: pytest.FixtureRequest) -> LinearType:
    kind: LinearType = request.param
    skip_unless_here(kind)
    return kind


@pytest.fixture(params=[Int8Linear, UInt8Linear], ids=lambda kind: kind.__name__)
def int8(request: pytest.FixtureRequest) -> LinearType:
    kind: LinearType = request.param
    skip_unless_here(kind)
    return kind


def make_tensors(n_outputs: int, n_inputs: int, n_rows: int) -> list[torch.Tensor]:
    torch.manual_seed(n_outputs + n_inputs + n_rows)
    return [
        torch.randn(n_outputs, n_inputs) / n_inputs**0.5,
        torch.randn(n_outputs),
        torch.randn(n_rows, n_inputs),
    ]


@pytest.mark.parametrize("shape", [(8, 6), (64, 40), (32, 700), (1, 1)])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 9, 33, 130])
@torch.inference_mode()
def test_products(linear: LinearType, shape: tuple[int, int], n_rows: int) -> None:
    weight, bias, x = make_tensors(*shape, n_rows)
    expected = x.double() @ weight.double().t()
    tolerance = TOLERANCES.get(linear, 1e-5)
    with_bias, without = linear(weight, bias), linear(weight)
    got = with_bias(linear.prepare(x))
    assert got.dtype == with_bias.dtype
    assert got.shape == (n_rows, with_bias.n_outputs) == (n_rows, shape[0])
    torch.testing.assert_close(got.double(), expected + bias, atol=tolerance, rtol=0)
    other = torch.randn(n_rows, shape[0]).to(with_bias.dtype)
    before = other.clone()
    total = add_product(without.kind, x, without.tensors, other)
    torch.testing.assert_close(total.double(), expected + before.double(), atol=tolerance, rtol=0)


@torch.inference_mode()
def test_weights_come_back(linear: LinearType) -> None:
    weight, bias, _ = make_tensors(24, 600, 1)
    back = linear(weight, bias).weight()
    if linear in EXACT:
        assert torch.equal(back, weight)
    else:
        torch.testing.assert_close(back.float(), weight, atol=0.01, rtol=0)
        # Rounding what is rounded changes nothing.
        torch.testing.assert_close(linear(back.float()).weight(), back, atol=1e-7, rtol=1e-6)


@torch.inference_mode()
def test_rows_do_not_see_each_other(linear: LinearType) -> None:
    weight, bias, x = make_tensors(32, 48, 16)
    one = linear(weight, bias)
    expected = one(linear.prepare(x))
    x[1:] *= 1000
    assert torch.equal(one(linear.prepare(x))[0], expected[0])


@pytest.mark.parametrize("shape", [(8, 6), (64, 40), (32, 700)])
@torch.inference_mode()
def test_8_bits_do_not_depend_on_the_company(int8: LinearType, shape: tuple[int, int]) -> None:
    weight, bias, x = make_tensors(*shape, 130)
    one = int8(weight, bias)
    together = one(one.prepare(x))
    for rows in (slice(0, 1), slice(7, 8), slice(1, 4), slice(10, 43), slice(2, 130)):
        assert torch.equal(one(one.prepare(x[rows].clone())), together[rows])


@pytest.mark.parametrize("shape", [(8, 6), (64, 40), (32, 700), (16, 4096), (1, 1)])
@torch.inference_mode()
def test_signed_and_unsigned(shape: tuple[int, int]) -> None:
    """Which one is at work is found out by time, and must change nothing else."""
    for kind in (Int8Linear, UInt8Linear):
        skip_unless_here(kind)
    weight, bias, x = make_tensors(*shape, 21)
    x[3] *= 1000
    x[4] = 0
    signed, unsigned = (kind(weight, bias) for kind in (Int8Linear, UInt8Linear))
    expected = signed(signed.prepare(x))
    assert torch.equal(unsigned(unsigned.prepare(x)), expected)
    other = torch.randn(21, shape[0])
    assert torch.equal(
        add_product("uint8", x, unsigned.tensors, other), add_product("int8", x, signed.tensors, other)
    )
    assert torch.equal(signed.weight(), unsigned.weight())


@torch.inference_mode()
def test_8_bit_sums_are_exact(int8: LinearType) -> None:
    """Thousands of the largest numbers: nothing overflows, and only the sum is rounded."""
    weight = torch.ones(3, 8192)
    weight[1] = -1
    weight[2, ::2] = -1
    one = int8(weight)
    got = one(one.prepare(torch.ones(5, 8192)))
    torch.testing.assert_close(got, torch.tensor([[8192.0, -8192, 0]]).expand(5, -1), rtol=1e-6, atol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@torch.inference_mode()
def test_what_is_not_finite_stays_so(linear: LinearType, bad: float) -> None:
    weight, bias, x = make_tensors(32, 48, 9)
    one = linear(weight, bias)
    expected = one(one.prepare(x))
    x[2, 5] = bad
    got = one(one.prepare(x))
    assert not torch.isfinite(got[2]).any()
    others = [0, 1, 3, 4, 5, 6, 7, 8]
    assert torch.equal(got[others], expected[others])
    x[2, 5] = 0
    weight[7, 3] = bad
    spoilt = linear(weight, bias)
    got = spoilt(spoilt.prepare(x))
    assert not torch.isfinite(got[:, 7]).any()
    assert torch.isfinite(got[:, :7]).all()


def test_rows_of_zeros(linear: LinearType) -> None:
    weight, bias, x = make_tensors(8, 16, 4)
    with torch.inference_mode():
        got = linear(weight, bias)(linear.prepare(torch.zeros_like(x)))
    torch.testing.assert_close(got.float(), bias.expand(4, -1), atol=0.02, rtol=0)


@torch.inference_mode()
def test_fine_sums_are_nearer() -> None:
    if not features.has_packed_linear():
        pytest.skip("no packed matrix products on this processor, or in this torch")
    weight, bias, x = make_tensors(64, 8192, 32)
    expected = x.double() @ weight.double().t() + bias
    errors = [float((kind(weight, bias)(x) - expected).pow(2).mean()) for kind in (PackedFineLinear, PackedLinear)]
    assert errors[0] < errors[1]


def test_few_row_numbers_reach_onednn() -> None:
    numbers = [1, 2, 4, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256]
    assert sorted({round_up(n) for n in range(1, 257)}) == numbers
    assert all(n <= round_up(n) <= max(2 * n, 1) for n in range(5000))
