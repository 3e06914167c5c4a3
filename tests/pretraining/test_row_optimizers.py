import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.pretraining.row_optimizers import RowAdagrad, RowAdam

KINDS: dict[str, Any] = {
    "adagrad": (RowAdagrad, torch.optim.Adagrad, {"initial_accumulator_value": 0.5}),
    "adam": (RowAdam, torch.optim.SparseAdam, {"betas": (0.8, 0.9)}),
}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True)
def no_warning() -> None:
    """As `Optimizer` does: PyTorch's own steps would warn that nobody has decided on this."""
    torch.sparse.check_sparse_tensor_invariants.disable()


def gradient(seed: int) -> Tensor:
    """Of three rows of seven, in no order."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(7, generator=generator)[:3]
    return torch.sparse_coo_tensor(rows[None], torch.randn(3, 4, generator=generator), (7, 4))


def start() -> nn.Parameter:
    return nn.Parameter(torch.randn(7, 4, generator=torch.Generator().manual_seed(9)))


def state_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value) for name, value in optimizer.state[parameter].items()}


@kinds
def test_equal_to_those_of_torch(kind: Any) -> None:
    """Parameters and state, with a rate that changes."""
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
def test_goes_on_from_a_state_of_torch(kind: Any) -> None:
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
def test_nothing_moves_without_a_gradient(kind: Any) -> None:
    ours, _, settings = kind
    parameter = start()
    ours([parameter], **settings).step()
    assert torch.equal(parameter, start())
