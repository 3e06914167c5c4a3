from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.bilm.lstm import LSTMState, ProjectedLSTM
from spacy_elmo.language_model.recurrence import run_layer
from spacy_elmo.runtime.memory import Workspace
from tests.pretraining.tiny import lm_error, lm_gradient, lm_options, lm_randomise

SIZES: dict[str, dict[str, Any]] = {
    "clips": {"dim": 7, "projection_dim": 5, "cell_clip": 0.8, "proj_clip": 0.5},
    "cell_clip": {"dim": 7, "projection_dim": 5, "cell_clip": 0.8, "proj_clip": None},
    "proj_clip": {"dim": 7, "projection_dim": 5, "cell_clip": None, "proj_clip": 0.5},
    "no_clip": {"dim": 7, "projection_dim": 5, "cell_clip": None, "proj_clip": None},
    "no_projection": {"dim": 5, "projection_dim": 5, "cell_clip": 0.8, "proj_clip": 0.3},
    "bare": {"dim": 5, "projection_dim": 5, "cell_clip": None, "proj_clip": None},
}
sizes = pytest.mark.parametrize("lstm", SIZES.values(), ids=SIZES)


class Layer(nn.Module):
    """Both directions of one layer, with inputs and a state."""

    def __init__(self, *, n_steps: int = 6, n_rows: int = 3, dtype: torch.dtype = torch.float64, **lstm: Any):
        super().__init__()
        options = lm_options(**lstm).lstm
        self.layers = nn.ModuleList(ProjectedLSTM(options=options) for _ in range(2)).to(dtype)
        lm_randomise(self.layers)
        generator = torch.Generator().manual_seed(1)
        shapes: list[tuple[int, ...]] = [
            (n_steps, 2, n_rows, options.projection_dim),
            (2, n_rows, options.projection_dim),
            (2, n_rows, options.dim),
        ]
        self.given = [torch.randn(shape, dtype=dtype, generator=generator).requires_grad_() for shape in shapes]
        self.dtype = dtype
        self.workspace = Workspace()

    @property
    def directions(self) -> tuple[ProjectedLSTM, ProjectedLSTM]:
        forward, backward = self.layers
        assert isinstance(forward, ProjectedLSTM)
        assert isinstance(backward, ProjectedLSTM)
        return forward, backward

    def forward(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs, state = run_layer(
            inputs,
            LSTMState(hidden, cell),
            self.directions,
            dtype=self.dtype,
            workspace=self.workspace,
            name="0",
        )
        return outputs, *state

    def row_by_row(self, inputs: Tensor, hidden: Tensor, cell: Tensor) -> list[Tensor]:
        """Compute the same by `ProjectedLSTM`, one row of one direction after the other."""
        n_steps, _, n_rows, _ = inputs.shape
        found: list[list[Tensor]] = [[], [], []]
        for direction, layer in enumerate(self.layers):
            for row in range(n_rows):
                state = LSTMState(hidden[direction, row : row + 1], cell[direction, row : row + 1])
                outputs, final = layer(inputs[:, direction, row], [1] * n_steps, state)
                for parts, part in zip(found, (outputs, *final)):
                    parts.append(part)
        outputs, last_hidden, last_cell = found
        return [
            torch.stack(outputs, dim=1).unflatten(1, (2, n_rows)),
            torch.cat(last_hidden).unflatten(0, (2, n_rows)),
            torch.cat(last_cell).unflatten(0, (2, n_rows)),
        ]

    def gradients(self, found: Any) -> list[Tensor]:
        """Compute the gradients of a weighted sum of all outputs and both parts of the final state."""
        generator = torch.Generator().manual_seed(2)
        weighed = [
            part * torch.randn(part.shape, dtype=part.dtype, generator=generator).to(part.device) for part in found
        ]
        return list(torch.autograd.grad(sum(part.sum() for part in weighed), [*self.given, *self.parameters()]))


def projected(lstm: Any) -> bool:
    return bool(lstm["dim"] != lstm["projection_dim"])


def assert_clips_bite(found: tuple[Tensor, ...], *, cell_clip: Any, proj_clip: Any, **lstm: Any) -> None:
    """Some numbers are clipped, others are not; outputs only if there is a projection."""
    outputs, _, cell = found
    for values, clip in ((cell, cell_clip), (outputs, proj_clip if projected(lstm) else None)):
        if clip is not None:
            at_bound = torch.eq(values.abs(), clip)
            assert at_bound.any()
            assert not at_bound.all()
    assert proj_clip is None or projected(lstm) or outputs.abs().max() > proj_clip


@sizes
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_equal_to_the_module(lstm: Any, dtype: torch.dtype, most: float) -> None:
    layer = Layer(dtype=dtype, **lstm)
    got = layer(*layer.given)
    for part, expected in zip(got, layer.row_by_row(*layer.given), strict=True):
        assert part.dtype == dtype
        torch.testing.assert_close(part, expected, atol=most, rtol=0)
    assert torch.equal(got[1], got[0][-1])
    assert_clips_bite(got, **lstm)


@sizes
def test_gradients_equal_those_of_the_module(lstm: Any) -> None:
    layer = Layer(**lstm)
    expected = layer.gradients(layer.row_by_row(*layer.given))
    got = layer.gradients(layer(*layer.given))
    for one, other in zip(got, expected, strict=True):
        assert other.any()
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


@sizes
def test_gradients_equal_finite_differences(lstm: Any) -> None:
    """Compare the gradients of the inputs, the state and every parameter."""
    # The same case, small enough for a run a number; its outputs are small as well, and so is their bound.
    narrower: dict[str, Any] = {}
    if projected(lstm):
        narrower = {"projection_dim": 2, "proj_clip": lstm["proj_clip"] and 0.15}
    layer = Layer(n_steps=3, n_rows=2, **{**lstm, "dim": 3, "projection_dim": 3, **narrower})
    assert_clips_bite(layer(*layer.given), **{**lstm, **narrower})
    names = [name for name, _ in layer.named_parameters()]

    def run(*tensors: Tensor) -> Any:
        # Finite differences run the layer many times between two backward passes.
        layer.workspace = Workspace()
        table = dict(zip(names, tensors[3:], strict=True))
        return torch.func.functional_call(layer, table, tensors[:3])

    assert torch.autograd.gradcheck(run, (*layer.given, *layer.parameters()), eps=1e-6, atol=1e-7)


def test_gradient_of_one_direction() -> None:
    layer = Layer(**SIZES["clips"])
    outputs, _, _ = layer(*layer.given)
    outputs[:, 1].sum().backward()
    forward, backward = layer.directions
    assert not any(lm_gradient(parameter).any() for parameter in forward.parameters())
    assert all(lm_gradient(parameter).any() for parameter in backward.parameters())


def test_carried_state() -> None:
    layer = Layer(n_steps=7, **SIZES["clips"])
    inputs, hidden, cell = layer.given
    whole = [part.clone() for part in layer(inputs, hidden, cell)]
    first, *state = (part.clone() for part in layer(inputs[:3], hidden, cell))
    rest, *state = layer(inputs[3:], *state)
    for got, expected in zip([torch.cat([first, rest]), *state], whole, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_used_workspace(dtype: torch.dtype) -> None:
    """Earlier batches, larger and smaller ones, have no effect."""
    used = Workspace()
    for n_steps, n_rows in [(6, 3), (4, 5), (9, 2), (1, 1), (6, 3)]:
        found = []
        for workspace in (used, Workspace()):
            layer = Layer(n_steps=n_steps, n_rows=n_rows, dtype=torch.float32, **SIZES["clips"])
            layer.dtype, layer.workspace = dtype, workspace
            outputs = layer(*layer.given)
            found.append([*outputs, *layer.gradients(outputs)])
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)


def test_layers_share_a_workspace() -> None:
    """Buffers have the layers' names: the second layer runs before the backward pass of the first."""
    layer = Layer(**SIZES["clips"])
    found = []
    for second in (layer.workspace, Workspace()):
        rows, state = layer.given[0], LSTMState(*layer.given[1:])
        for workspace, name in ((layer.workspace, "0"), (second, "1")):
            rows, _ = run_layer(rows, state, layer.directions, dtype=layer.dtype, workspace=workspace, name=name)
        found.append(layer.gradients([rows]))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("lstm", "most"), [(SIZES["clips"], 0.1), (SIZES["bare"], 0.01)], ids=["clips", "bare"])
def test_bf16_is_near(lstm: Any, most: float) -> None:
    """bfloat16 has 8 bits: 0.4% of a number; errors add up over sums and steps. Gradients lose more if numbers are
    clipped: a number that rounding moves over its bound has none."""
    large = {**lstm, "dim": lstm["dim"] * 8, "projection_dim": lstm["projection_dim"] * 8}
    layer = Layer(n_steps=8, n_rows=9, dtype=torch.float32, **large)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(0.3)
    expected = layer(*layer.given)
    exact = layer.gradients(expected)
    layer.dtype = torch.bfloat16
    rounded = layer(*layer.given)
    for got, wanted in zip(rounded, expected, strict=True):
        assert got.dtype == torch.float32
        assert 1e-4 < lm_error(got, wanted) < 0.01
    for got, wanted in zip(layer.gradients(rounded), exact, strict=True):
        assert got.dtype == torch.float32
        assert 1e-4 < lm_error(got, wanted) < most


def test_bf16_keeps_the_bias() -> None:
    """The part of a bias that bfloat16 cannot hold counts in the sum: 1.003 alone would be 1."""
    layer = Layer(n_steps=1, n_rows=1, dtype=torch.float32, **SIZES["no_clip"])
    width, cells = layer.given[0].size(-1), layer.given[2].size(-1)
    inputs = torch.zeros(1, 2, 1, width)
    inputs[..., 0] = 0.002
    with torch.no_grad():
        for linear in (one.input_linear for one in layer.directions):
            linear.weight.zero_()
            linear.weight[:, 0] = 1.0
            linear.bias.fill_(1.003)
    layer.dtype = torch.bfloat16
    _, _, cell = layer(inputs, torch.zeros(2, 1, width), torch.zeros(2, 1, cells))
    # 1.005 lies nearer to 1 + 2**-7, the next number up, than to 1.
    gate = torch.tensor(1 + 2**-7)
    torch.testing.assert_close(cell, (torch.sigmoid(gate) * torch.tanh(gate)).expand_as(cell))
