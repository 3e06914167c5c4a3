"""Whether others have put code into the parts of a module that computes without calling them."""

from collections.abc import Callable, Collection
from typing import Any

from torch import nn


def find_own_code(module: nn.Module, *, known: Collection[Callable[..., Any]], name: str) -> str | None:
    """Find a module with hooks, such as those of `torch.nn.utils.prune`, or with another forward than it was made
    with, such as a layer with adapters.

    module (nn.Module): The module that is searched, with those below it.
    known (Collection[Callable]): The methods `forward` that they were made with.
    name (str): The name of the module.
    RETURNS (str | None): The name of the first one; None if there is none.
    """
    if _is_changed(module, known):
        return name
    for part_name, part in module._modules.items():
        # What computes a parameter has been called when the parameter is read.
        if part is not None and part_name != "parametrizations":
            found = find_own_code(part, known=known, name=f"{name}.{part_name}")
            if found is not None:
                return found
    return None


def _is_changed(module: nn.Module, known: Collection[Callable[..., Any]]) -> bool:
    has_hooks = (
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )
    return bool(has_hooks) or "forward" in module.__dict__ or type(module).forward not in known
