"""Triton's kernels on the CPU, in its interpreter: run by test_recurrence_gpu.py in a process of its own, because
Triton decides when it is imported."""

from typing import Any

import pytest
import torch

from spacy_elmo.gpu import training_steps
from tests.interpreter import require_interpreter
from tests.language_model.fused import found_by, rounded
from tests.language_model.test_recurrence import SIZES, Layer, sizes

require_interpreter()


@sizes
@pytest.mark.parametrize("shape", [(6, 3), (1, 1), (2, 5)], ids=str)
def test_equal_to_torch(lstm: Any, shape: Any) -> None:
    """Compare outputs, the state and every gradient."""
    n_steps, n_rows = shape
    layer = Layer(n_steps=n_steps, n_rows=n_rows, dtype=torch.float32, **lstm)
    for got, expected in zip(found_by(layer, fused=True), found_by(layer, fused=False), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=2e-6)


def test_many_cells() -> None:
    lstm = {**SIZES["clips"], "dim": 600, "projection_dim": 520}
    layer = Layer(n_steps=2, n_rows=2, dtype=torch.float32, **lstm)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(0.1)
    for got, expected in zip(found_by(layer, fused=True), found_by(layer, fused=False), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("lstm", [SIZES["clips"], SIZES["bare"]], ids=["clips", "bare"])
def test_bf16(lstm: Any) -> None:
    """The error against float32 is no larger than that of torch's operators."""
    rounded(lstm, device="cpu")


def test_used_workspace() -> None:
    used = Layer(dtype=torch.float32, **SIZES["clips"]).workspace
    for n_steps, n_rows in [(6, 3), (4, 5), (9, 2), (1, 1), (6, 3)]:
        layer = Layer(n_steps=n_steps, n_rows=n_rows, dtype=torch.float32, **SIZES["clips"])
        expected = found_by(layer, fused=True)
        layer.workspace = used
        for got, wanted in zip(found_by(layer, fused=True), expected, strict=True):
            assert torch.equal(got, wanted)


def test_nan_stays() -> None:
    """The losses of a run show NaN: clips must not hide it."""
    layer = Layer(dtype=torch.float32, **SIZES["clips"])
    with torch.no_grad():
        layer.given[0][1, 0, 0] = torch.nan
    outputs, hidden, cell = found_by(layer, fused=True)[:3]
    for part in (outputs[1:], hidden, cell):
        assert part[..., 0, 0, :].isnan().all()
        assert not part[..., 1, :, :].isnan().any()


@pytest.mark.parametrize("x", [0.0, 1e-6, 0.0999, 0.1, 0.1001, 0.7, 5.0, 40.0, 200.0, -1e-6, -0.1001, -200.0])
def test_tanh_and_sigmoid(x: float) -> None:
    """All gates get this number, from a zero state: i and g make the cell."""
    zeros, full = torch.zeros(2, 1, 4), torch.full((2, 1, 4), x)
    gates, cell, tanh, opened = (torch.empty(2, 1, n) for n in (4, 1, 1, 1))
    training_steps.gates_forward(
        zeros, full, torch.zeros(2, 4), torch.zeros(2, 1, 1),
        gates=gates, new_cell=cell, tanh=tanh, opened=opened, clip=None,
    )  # fmt: skip
    exact = torch.tensor(x, dtype=torch.float64)
    g, s = exact.tanh(), exact.sigmoid()
    for got, expected in ((gates[0, 0, 2], g), (gates[0, 0, 0], s), (cell, s * g), (tanh, (s * g).tanh())):
        torch.testing.assert_close(got.double(), expected.expand(got.shape), atol=1e-12, rtol=2e-6)
    torch.testing.assert_close(opened.double(), (s * (s * g).tanh()).expand(2, 1, 1), atol=1e-12, rtol=2e-6)
