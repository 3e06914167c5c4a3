"""What counts as code that others have added to a module."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from spacy_elmo.compat.allennlp import Elmo
from spacy_elmo.torch import ElmoModule
from spacy_elmo.torch.added_code import describe_parts, find_added_code, has_code
from tests.data import TINY
from tests.module.replicas import replicate


def make() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 1)))


def find(module: nn.Module, *, ignore_parametrizations: bool = False) -> str | None:
    parts = describe_parts(module, name="m", ignore_parametrizations=ignore_parametrizations)
    return find_added_code(parts, describe_parts(make(), name="m"))


def test_first_part_that_was_changed() -> None:
    module = make()
    assert find(module) is None
    module.get_submodule("1.1").register_forward_pre_hook(lambda *_: None)
    assert find(module) == "m.1.1"
    module[0] = nn.Linear(2, 2, bias=False)
    assert find(module) == "m.0"


def test_parts_that_are_missing_or_new() -> None:
    module = make()
    module[1] = nn.Sequential(nn.ReLU())
    assert find(module) == "m.1.1"
    module = make()
    module.append(nn.ReLU())
    assert find(module) == "m.2"


@pytest.mark.parametrize(
    "method", ["forward_hook", "forward_pre_hook", "full_backward_hook", "full_backward_pre_hook"]
)
def test_hooks(method: str) -> None:
    module = nn.Linear(1, 1)
    assert not has_code(module)
    handle = getattr(module, f"register_{method}")(lambda *_: None)
    assert has_code(module)
    handle.remove()
    assert not has_code(module)
    vars(module)["forward"] = nn.Identity().forward
    assert has_code(module)


def test_parametrizations() -> None:
    module = make()
    parametrizations.weight_norm(module[0])
    assert find(module) == "m.0"
    assert find(module, ignore_parametrizations=True) is None


def test_new_modules_have_none() -> None:
    """Neither have their copies, nor those of another dtype."""
    for module in (ElmoModule(TINY, frozen=False), Elmo(str(TINY), requires_grad=True)._elmo_lstm):
        assert isinstance(module, ElmoModule)
        for one in (module, copy.deepcopy(module), replicate(module), copy.deepcopy(module).to(torch.float64)):
            assert one.find_added_code() is None
