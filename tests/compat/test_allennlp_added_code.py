"""`compat.allennlp`: adapters, pruning and other modules that people put into a biLM."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from spacy_elmo.compat.allennlp import ConfigurationError, _ElmoBiLm
from tests.compat.test_allennlp import make, worst
from tests.compat.test_allennlp_parts import IDS, LAYER, get_part, make_bilm


class Adapted(nn.Module):
    """A linear layer beside a trained one of low rank."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear
        self.down = nn.Linear(linear.in_features, 2, bias=False)
        self.up = nn.Linear(2, linear.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        summed: Tensor = self.linear(inputs) + self.up(self.down(inputs))
        return summed


def test_adapters() -> None:
    torch.manual_seed(0)
    elmo = make()
    before = elmo(IDS)["elmo_representations"][0].detach()
    layer = get_part(elmo._elmo_lstm, LAYER)
    layer.state_linearity = Adapted(layer.state_linearity)
    torch.testing.assert_close(elmo(IDS)["elmo_representations"][0], before, rtol=0, atol=1e-5)
    adapters = [layer.state_linearity.up.weight, layer.state_linearity.down.weight]
    optimizer = torch.optim.SGD(adapters, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        elmo(IDS)["elmo_representations"][0].square().sum().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in adapters)
    assert not torch.allclose(elmo(IDS)["elmo_representations"][0], before, atol=1e-3)
    frozen = [name for name, parameter in elmo._elmo_lstm.named_parameters() if parameter.grad is not None]
    assert frozen == [f"{LAYER}.state_linearity.{name}.weight" for name in ("down", "up")]


def test_pruning() -> None:
    elmo = make(requires_grad=True)
    linear = get_part(elmo._elmo_lstm, f"{LAYER}.input_linearity")
    prune.random_unstructured(linear, "weight", amount=0.5)
    other = make()
    state = {name: value for name, value in elmo.state_dict().items() if "weight_" not in name}
    other.load_state_dict({**state, f"_elmo_lstm.{LAYER}.input_linearity.weight": linear.weight.detach()})
    assert worst(elmo(IDS), np.array([one.detach() for one in other(IDS)["elmo_representations"]])) <= 1e-5
    optimizer = torch.optim.Adam(elmo.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        elmo(IDS)["elmo_representations"][0].square().sum().backward()
        optimizer.step()
    assert not linear.weight[linear.weight_mask == 0].any()


class Halved(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight / 2


@pytest.mark.parametrize("requires_grad", [True, False])
def test_computed_parameters(requires_grad: bool) -> None:
    """Put in after a first batch, whose engine lies over the memory of the parameters."""
    elmo = make(requires_grad=requires_grad)
    expected = elmo(IDS)["elmo_representations"][0]
    for name in ("input_linearity", "state_projection"):
        linear = get_part(elmo._elmo_lstm, f"{LAYER}.{name}")
        before = linear.weight.detach().clone()
        parametrize.register_parametrization(linear, "weight", Halved())
        elmo(IDS)["elmo_representations"][0].sum().backward()
        assert torch.equal(linear.parametrizations.weight.original, before)
    assert not torch.allclose(elmo(IDS)["elmo_representations"][0], expected, atol=1e-3)
    for name in ("input_linearity", "state_projection"):
        linear = get_part(elmo._elmo_lstm, f"{LAYER}.{name}")
        parametrize.remove_parametrizations(linear, "weight", leave_parametrized=False)
    assert get_part(elmo, "_elmo_lstm").find_added_code() is None
    torch.testing.assert_close(elmo(IDS)["elmo_representations"][0], expected, rtol=0, atol=1e-5)


def test_computed_parameters_with_buffers() -> None:
    elmo = make()
    linear = get_part(elmo._elmo_lstm, f"{LAYER}.input_linearity")
    with torch.no_grad():
        parametrizations.spectral_norm(linear)
    # Each of these changes a buffer alone.
    found = [elmo(IDS)["elmo_representations"][0] for _ in range(2)]
    assert not torch.equal(*found)


PUT: dict[str, Callable[[Any], object]] = {
    "bias": lambda layer: setattr(layer, "input_linearity", nn.Linear(8, 96)),
    "traced": lambda layer: setattr(
        layer, "input_linearity", torch.jit.trace(layer.input_linearity, torch.zeros(1, 8))
    ),
    "clip": lambda layer: setattr(layer, "memory_cell_clip_value", 0.01),
}


@pytest.mark.parametrize("put", PUT.values(), ids=PUT)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_parts_of_the_same_kind(put: Callable[[Any], object]) -> None:
    elmo = make()
    ends: list[int] = []
    layer = get_part(elmo._elmo_lstm, LAYER)
    put(layer)
    first = elmo(IDS)["elmo_representations"][0]
    layer.register_forward_hook(lambda *_: ends.append(1))
    assert torch.equal(elmo(IDS)["elmo_representations"][0], first)
    assert ends == [1]


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    bilm = make_bilm()
    prune.random_unstructured(get_part(bilm, f"{LAYER}.input_linearity"), "weight", amount=0.5)
    with pytest.raises(ConfigurationError, match=rf"EL876.*`{LAYER}.input_linearity`.*make pruning permanent"):
        bilm.save(tmp_path / "model")
    prune.remove(get_part(bilm, f"{LAYER}.input_linearity"), "weight")
    bilm.save(tmp_path / "model")
    again = _ElmoBiLm(str(tmp_path / "model"))
    torch.testing.assert_close(again(IDS)["activations"], bilm(IDS)["activations"], rtol=0, atol=1e-5)


class Wrapper(nn.Module):
    """Another LSTM in its place, over the one that was there."""

    def __init__(self, lstm: nn.Module) -> None:
        super().__init__()
        self.lstm = lstm
        self.matrix = nn.Parameter(torch.eye(8))

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        outputs: Tensor = self.lstm(inputs @ self.matrix, mask)
        return outputs


def test_another_lstm() -> None:
    elmo = make()
    expected = elmo(IDS)["elmo_representations"][0]
    bilm: Any = elmo._elmo_lstm
    bilm._elmo_lstm = Wrapper(bilm._elmo_lstm)
    got = elmo(IDS)["elmo_representations"][0]
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    got.sum().backward()
    assert bilm._elmo_lstm.matrix.grad.any()


def test_another_forward() -> None:
    elmo = make()
    inner = elmo._elmo_lstm.forward
    calls: list[int] = []

    def forward(inputs: Tensor, word_inputs: Tensor | None = None) -> Any:
        calls.append(len(inputs))
        return inner(inputs, word_inputs)

    elmo._elmo_lstm.forward = forward
    elmo(IDS)
    assert calls == [5]
