import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.pretraining.config import OptimizerConfig
from spacy_elmo.pretraining.optimizer import Optimizer, RowAdagrad, RowAdam, learn_rate
from tests.pretraining.tiny import lm_gradient

NAMES = ["adagrad", "adamw"]


def config_of(**settings: Any) -> OptimizerConfig:
    return OptimizerConfig(**{"learn_rate": 0.1, **settings})


def rates(n_steps: int, **settings: Any) -> list[float]:
    config = config_of(**settings)
    return [learn_rate(config, step, n_steps) for step in range(n_steps)]


def test_rate() -> None:
    found = rates(20, warmup_steps=4, decay=0.25, decay_shape="linear")
    assert found == pytest.approx([0.025, 0.05, 0.075, *[0.1] * 13, 0.08, 0.06, 0.04, 0.02])
    # Zero would be reached with the step after the last.
    assert learn_rate(config_of(decay=0.25), 20, 20) == 0


def test_cosine_decay() -> None:
    found = rates(16, warmup_steps=0, decay=0.25, decay_shape="cosine")
    left = [1, 0.75, 0.5, 0.25]
    assert found == pytest.approx([0.1] * 12 + [0.1 * (1 - math.cos(math.pi * part)) / 2 for part in left])
    assert found[14] == pytest.approx(0.05)
    assert learn_rate(config_of(decay=0.25, decay_shape="cosine"), 16, 16) == 0


def test_constant_rate() -> None:
    assert rates(7, warmup_steps=0, decay=0.0) == [0.1] * 7
    assert rates(7, warmup_steps=1, decay=0.0) == [0.1] * 7


def test_decay_of_the_whole_run() -> None:
    assert rates(4, warmup_steps=0, decay=1.0) == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_warm_up_longer_than_the_run() -> None:
    """Both factors apply if warm-up and decay overlap."""
    assert rates(4, warmup_steps=8, decay=0.5) == pytest.approx([0.0125, 0.025, 0.0375, 0.05 / 2])


@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("decay", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 101])
@pytest.mark.parametrize("warmup", [0, 1, 5, 200])
def test_bounds_of_the_rate(shape: str, decay: float, n_steps: int, warmup: int) -> None:
    found = rates(n_steps, decay_shape=shape, decay=decay, warmup_steps=warmup)
    assert all(0 < rate <= 0.1 for rate in found)
    falls = found[warmup:]
    assert falls == sorted(falls, reverse=True)


def make(*, seed: int = 0) -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"weight": (4, 3), "bias": (4,), "table": (6, 3)}
    return {name: nn.Parameter(torch.randn(shape, generator=generator)) for name, shape in shapes.items()}


def give_gradients(parameters: dict[str, nn.Parameter], *, seed: int, sparse: bool) -> None:
    """Set random gradients; the table's have three rows, which change each time."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in parameters.items():
        gradient = torch.randn(parameter.shape, generator=generator)
        if name == "table":
            rows = torch.randperm(6, generator=generator)[:3]
            values = gradient[rows]
            gradient = torch.zeros_like(gradient).index_copy_(0, rows, values)
            if sparse:
                gradient = torch.sparse_coo_tensor(rows[None], values, gradient.shape, check_invariants=True)
        parameter.grad = gradient


def optimizer_of(parameters: dict[str, nn.Parameter], *, sparse: bool, **settings: Any) -> Optimizer:
    return Optimizer(parameters, config=config_of(**settings), sparse=["table"] if sparse else [])


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("most", [0.5, 3.0, 1000.0])
def test_clip_equal_to_torch(most: float, sparse: bool) -> None:
    parameters, reference = make(), make()
    give_gradients(parameters, seed=1, sparse=sparse)
    give_gradients(reference, seed=1, sparse=False)
    norm = optimizer_of(parameters, sparse=sparse).clip(most)
    expected = torch.nn.utils.clip_grad_norm_(list(reference.values()), most)
    assert norm.shape == ()
    torch.testing.assert_close(norm, expected)
    for name, parameter in parameters.items():
        assert parameter.grad is not None
        assert parameter.grad.is_sparse == (sparse and name == "table")
        torch.testing.assert_close(parameter.grad.to_dense(), reference[name].grad)
    total = torch.stack([lm_gradient(parameter).to_dense().norm() for parameter in parameters.values()]).norm()
    assert float(total) == pytest.approx(min(most, float(expected)), rel=1e-4)


def test_no_limit() -> None:
    parameters = make()
    give_gradients(parameters, seed=1, sparse=True)
    before = {name: lm_gradient(parameter).to_dense() for name, parameter in parameters.items()}
    norm = optimizer_of(parameters, sparse=True).clip(0.0)
    assert float(norm) == pytest.approx(math.sqrt(sum(float(grad.square().sum()) for grad in before.values())))
    for name, parameter in parameters.items():
        assert torch.equal(lm_gradient(parameter).to_dense(), before[name])


def test_gradients_in_place_and_missing() -> None:
    parameters = make()
    give_gradients(parameters, seed=1, sparse=True)
    parameters["bias"].grad = None
    found = optimizer_of(parameters, sparse=True).gradients()
    assert [tuple(gradient.shape) for gradient in found] == [(4, 3), (4,), (3, 3)]
    assert not found[1].any()
    for gradient in found:
        gradient.fill_(7)
    assert lm_gradient(parameters["weight"]).eq(7).all()
    assert sorted(lm_gradient(parameters["table"]).to_dense().sum(dim=1).tolist()) == [0, 0, 0, 21, 21, 21]


def adagrad(steps: list[Tensor], start: Tensor, *, initial: float, learn_rates: list[float]) -> Tensor:
    total, value = torch.full_like(start, initial), start.clone()
    for gradient, rate in zip(steps, learn_rates, strict=True):
        total += gradient**2
        value -= rate * gradient / (total.sqrt() + 1e-10)
    return value


def adamw(
    steps: list[Tensor], start: Tensor, *, learn_rates: list[float], decay: float, lazy: bool = False
) -> Tensor:
    """AdamW (Loshchilov and Hutter 2019). lazy: rows without a gradient do not change (PyTorch's SparseAdam)."""
    first, second, value = torch.zeros_like(start), torch.zeros_like(start), start.clone()
    for t, (gradient, rate) in enumerate(zip(steps, learn_rates, strict=True), start=1):
        moved = gradient.any(dim=-1, keepdim=True) if lazy else torch.ones_like(gradient, dtype=torch.bool)
        first = torch.where(moved, 0.8 * first + 0.2 * gradient, first)
        second = torch.where(moved, 0.9 * second + 0.1 * gradient**2, second)
        change = first / (1 - 0.8**t) / ((second / (1 - 0.9**t)).sqrt() + 1e-8)
        value = torch.where(moved, value * (1 - rate * decay) - rate * change, value)
    return value


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", NAMES)
def test_steps_equal_the_formulas(name: str, sparse: bool) -> None:
    """The rate changes at each step. Weight decay applies to parameters with dense gradients."""
    parameters = make()
    start = {key: parameter.detach().clone() for key, parameter in parameters.items()}
    settings = {"betas": (0.8, 0.9), "weight_decay": 0.3, "initial_accumulator": 0.5}
    optimizer = optimizer_of(parameters, sparse=sparse, name=name, **settings)
    learn_rates = [0.1, 0.2, 0.05, 0.1]
    given: dict[str, list[Tensor]] = {key: [] for key in parameters}
    for seed, rate in enumerate(learn_rates):
        give_gradients(parameters, seed=seed, sparse=sparse)
        for key, parameter in parameters.items():
            given[key].append(lm_gradient(parameter).to_dense().clone())
        optimizer.step(rate)
        assert all(parameter.grad is None for parameter in parameters.values())
    for key, parameter in parameters.items():
        if name == "adagrad":
            expected = adagrad(given[key], start[key], initial=0.5, learn_rates=learn_rates)
        else:
            lazy = sparse and key == "table"
            decay = 0.0 if lazy else 0.3
            expected = adamw(given[key], start[key], learn_rates=learn_rates, decay=decay, lazy=lazy)
        torch.testing.assert_close(parameter.detach(), expected, atol=2e-6, rtol=1e-5)


def test_rows_without_gradient() -> None:
    for name in NAMES:
        parameters = make()
        before = parameters["table"].detach().clone()
        optimizer = optimizer_of(parameters, sparse=True, name=name)
        for seed in (1, 2):
            give_gradients(parameters, seed=seed, sparse=True)
            touched = lm_gradient(parameters["table"]).to_dense().any(dim=1)
            optimizer.step(0.1)
            after = parameters["table"].detach()
            assert ((after != before).any(dim=1) == touched).all()
            before = after.clone()


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", NAMES)
def test_resumed_exactly(name: str, sparse: bool) -> None:
    """The state of another optimizer can be restored."""
    parameters = make()
    optimizer = optimizer_of(parameters, sparse=sparse, name=name)
    for seed in range(3):
        give_gradients(parameters, seed=seed, sparse=sparse)
        optimizer.step(0.1)
    state = {key: value.clone() for key, value in optimizer.state().items()}
    later = {key: nn.Parameter(parameter.detach().clone()) for key, parameter in parameters.items()}
    other = optimizer_of(later, sparse=sparse, name=name)
    other.restore(state)
    for key, value in other.state().items():
        assert torch.equal(value, state[key])
    for seed in range(3, 6):
        for values, one in ((parameters, optimizer), (later, other)):
            give_gradients(values, seed=seed, sparse=sparse)
            one.step(0.07)
        for key, parameter in parameters.items():
            assert torch.equal(parameter, later[key]), key
    for key, value in optimizer.state().items():
        assert torch.equal(value, other.state()[key]), key


def test_names_of_the_state() -> None:
    """A checkpoint stores them; all are tensors."""
    expected = {
        "adagrad": {"weight/sum", "weight/step", "bias/sum", "bias/step", "table/sum", "table/step"},
        "adamw": {
            f"{name}/{quantity}"
            for name in ("weight", "bias", "table")
            for quantity in ("step", "exp_avg", "exp_avg_sq")
        },
    }
    for name in NAMES:
        parameters = make()
        optimizer = optimizer_of(parameters, sparse=True, name=name)
        for seed in (1, 2):
            give_gradients(parameters, seed=seed, sparse=True)
            optimizer.step(0.1)
        state = optimizer.state()
        assert set(state) == expected[name]
        assert all(isinstance(value, Tensor) for value in state.values())
        assert {float(state[f"{key}/step"]) for key in parameters} == {2}


@pytest.mark.parametrize("name", NAMES)
def test_incomplete_state(name: str) -> None:
    parameters = make()
    optimizer = optimizer_of(parameters, sparse=True, name=name)
    give_gradients(parameters, seed=1, sparse=True)
    optimizer.step(0.1)
    state = {key: value for key, value in optimizer.state().items() if not key.startswith("bias/")}
    with pytest.raises(KeyError, match="bias"):
        optimizer_of(make(), sparse=True, name=name).restore(state)


KINDS: dict[str, Any] = {
    "adagrad": (RowAdagrad, torch.optim.Adagrad, {"initial_accumulator_value": 0.5}),
    "adam": (RowAdam, torch.optim.SparseAdam, {"betas": (0.8, 0.9)}),
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True)
def no_warning() -> None:
    """Decide on sparse checks, as `Optimizer` does: otherwise, PyTorch's steps warn."""
    torch.sparse.check_sparse_tensor_invariants.disable()


def gradient(seed: int) -> Tensor:
    """Make a gradient of three rows of seven, not sorted."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(7, generator=generator)[:3]
    return torch.sparse_coo_tensor(rows[None], torch.randn(3, 4, generator=generator), (7, 4))


def start() -> nn.Parameter:
    return nn.Parameter(torch.randn(7, 4, generator=torch.Generator().manual_seed(9)))


def state_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value) for name, value in optimizer.state[parameter].items()}


@kinds
def test_row_optimizers_equal_to_torch(kind: Any) -> None:
    """Compare parameters and state after steps with different rates."""
    ours, theirs, settings = kind
    one, other = start(), start()
    optimizers = ours([one], **settings), theirs([other], **settings)
    for step in range(5):
        for optimizer, parameter in zip(optimizers, (one, other)):
            parameter.grad = gradient(step)
            optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
            optimizer.step()
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    found, expected = state_of(optimizers[0], one), state_of(optimizers[1], other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=1e-6)


@kinds
def test_state_of_torch(kind: Any) -> None:
    ours, theirs, settings = kind
    other = start()
    before = theirs([other], **settings)
    found: list[Tensor] = []
    for step in range(3):
        other.grad = gradient(step)
        before.step()
    for cls in (ours, theirs):
        parameter = nn.Parameter(other.detach().clone())
        optimizer = cls([parameter], **settings)
        optimizer.state[parameter] = copy.deepcopy(before.state[other])
        parameter.grad = gradient(3)
        optimizer.step()
        found.append(parameter.detach())
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-6)
    assert not torch.equal(found[0], other)


@kinds
def test_no_gradient(kind: Any) -> None:
    ours, _, settings = kind
    parameter = start()
    ours([parameter], **settings).step()
    assert torch.equal(parameter, start())
