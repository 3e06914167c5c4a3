"""The layer with its own backward pass, compared with the plain one under autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.lstm import LSTMState, ProjectedLSTM
from spacy_elmo.bilm.options import LSTMOptions
from spacy_elmo.gradients import lstm, steps
from spacy_elmo.gradients.lstm import run_layer
from spacy_elmo.runtime.isolation import computation

P, C = 5, 7
SIZES = [4, 4, 3, 1, 1]
# Names of what is there, and of the clips that are at work.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clipped": {"cell_clip": 0.4, "proj_clip": 0.3},
    "cell-clipped": {"cell_clip": 0.4},
    "no-projection": {"projects": False, "cell_clip": 0.4, "proj_clip": 0.3},
}


def make(
    *, projects: bool = True, cell_clip: float | None = None, proj_clip: float | None = None
) -> ProjectedLSTM:
    options = LSTMOptions(dim=C if projects else P, projection_dim=P, cell_clip=cell_clip, proj_clip=proj_clip)
    layer = ProjectedLSTM(options=options).double()
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random, dtype=torch.float64))
    return layer


def batch(layer: ProjectedLSTM, sizes: list[int] = SIZES) -> tuple[Tensor, LSTMState]:
    random = torch.Generator().manual_seed(2)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    n_cells = layer.state_linear.weight.size(0) // 4
    inputs = numbers(sum(sizes), P).requires_grad_()
    return inputs, LSTMState(numbers(sizes[0], P) / 5, numbers(sizes[0], n_cells) / 5)


def gradients_of(outputs: Tensor, layer: ProjectedLSTM, inputs: Tensor) -> list[Tensor | None]:
    tensors = [tensor for tensor in (inputs, *layer.parameters()) if tensor.requires_grad]
    d_outputs = torch.arange(outputs.numel()).to(outputs).sin().view_as(outputs)
    return list(torch.autograd.grad(outputs, tensors, d_outputs))


@pytest.fixture(params=["compiled", "as Python"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "as Python":
        monkeypatch.setattr(lstm, "training_steps", lambda: steps)
    else:
        assert isinstance(steps.training_steps(), torch.jit.CompilationUnit)


@pytest.mark.usefixtures("how")
@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_the_plain_layer(kind: str) -> None:
    layer = make(**KINDS[kind])
    inputs, state = batch(layer)
    expected, _ = layer(inputs, SIZES, state)
    # Torch compiles at the first calls, and otherwise at the second ones.
    for _ in range(3):
        outputs, _ = run_layer(layer, inputs, SIZES, state)
        torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
        both = zip(gradients_of(outputs, layer, inputs), gradients_of(run(layer, inputs, state), layer, inputs))
        for got, right in both:
            torch.testing.assert_close(got, right, rtol=0, atol=1e-11)
    bounds = [layer.proj_clip] if layer.proj_clip else []
    assert all(bool((expected.abs() == bound).any()) for bound in bounds)


def run(layer: ProjectedLSTM, inputs: Tensor, state: LSTMState) -> Tensor:
    outputs: Tensor = layer(inputs, SIZES, state)[0]
    return outputs


@pytest.mark.parametrize("kind", KINDS)
def test_finite_differences(kind: str) -> None:
    layer = make(**KINDS[kind])
    inputs, state = batch(layer)
    parameters = dict(layer.named_parameters())

    def outputs(inputs: Tensor, *values: Tensor) -> Tensor:
        mine = make(**KINDS[kind])
        for name, value in zip(parameters, values):
            module, _, last = name.rpartition(".")
            owner: Any = mine.get_submodule(module)
            delattr(owner, last)
            setattr(owner, last, value)
        return run_layer(mine, inputs, SIZES, state)[0]

    assert torch.autograd.gradcheck(outputs, (inputs, *parameters.values()))


@pytest.mark.parametrize("learns", ["inputs", "input_linear", "state_linear", "projection"])
def test_frozen_parameters(learns: str) -> None:
    layer = make()
    inputs, state = batch(layer)
    inputs.requires_grad_(learns == "inputs")
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(name.startswith(learns))
    found = gradients_of(run_layer(layer, inputs, SIZES, state)[0], layer, inputs)
    for got, right in zip(found, gradients_of(run(layer, inputs, state), layer, inputs), strict=True):
        torch.testing.assert_close(got, right, rtol=0, atol=1e-11)


def test_nothing_kept_when_frozen() -> None:
    layer = make().requires_grad_(False)
    inputs, state = batch(layer)
    assert not run_layer(layer, inputs.detach(), SIZES, state)[0].requires_grad
    with torch.no_grad():
        assert not run_layer(make(), inputs, SIZES, state)[0].requires_grad


def test_no_rows() -> None:
    layer = make()
    empty = torch.empty(0, P, dtype=torch.float64)
    state = LSTMState(empty, torch.empty(0, C, dtype=torch.float64))
    assert run_layer(layer, empty, [], state)[0].shape == (0, P)


def test_compiled_with_any_default_dtype() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with computation(gradients=True):
            made = steps.training_steps.__wrapped__()
    finally:
        torch.set_default_dtype(torch.float32)
    assert isinstance(made, torch.jit.CompilationUnit)


def test_wrong_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = torch.jit.CompilationUnit
    monkeypatch.setattr(
        torch.jit, "CompilationUnit", lambda source: compiled(source.replace("value=-1", "value=-2"))
    )
    assert steps.training_steps.__wrapped__().run_backward is steps.run_backward
