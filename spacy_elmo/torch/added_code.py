"""Whether others have added code to the parts of a module that computes without calling them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn


class Part(NamedTuple):
    """What a part of a module does when it is called.

    kind (type): Its class.
    settings (str): Its `extra_repr()`, such as sizes.
    has_code (bool): Whether it has hooks, or a `forward` of its own.
    """

    kind: type
    settings: str
    has_code: bool


def describe_parts(module: nn.Module, *, name: str, ignore_parametrizations: bool = False) -> dict[str, Part]:
    """Describe a module and all parts below it.

    module (nn.Module): The module.
    name (str): Its name.
    ignore_parametrizations (bool): Whether parts whose parameters torch computes (torch.nn.utils.parametrize) are
        described as if these were plain parameters.
    RETURNS (dict[str, Part]): By name.
    """
    kind, parts = type(module), dict(module._modules)
    if ignore_parametrizations and parts.pop("parametrizations", None) is not None:
        # Torch has put a class of its own in place of the module's.
        kind = kind.__mro__[1]
    found = {name: Part(kind, module.extra_repr(), has_code(module))}
    for part_name, part in parts.items():
        if part is not None:
            part_name = f"{name}.{part_name}"
            found.update(describe_parts(part, name=part_name, ignore_parametrizations=ignore_parametrizations))
    return found


def find_added_code(parts: Mapping[str, Part], made: Mapping[str, Part]) -> str | None:
    """Find a part that others have changed: with hooks, such as those of `torch.nn.utils.prune`, with adapters, or
    by another part in its place.

    parts (Mapping[str, Part]): The parts now.
    made (Mapping[str, Part]): The parts that the module was made of.
    RETURNS (str | None): The name of the first one; None if there is none.
    """
    if parts == made:
        return None
    return next((name for name in {**parts, **made} if parts.get(name) != made.get(name)), None)


def has_code(module: nn.Module) -> bool:
    """Check whether a module has hooks, or a `forward` that its class does not have.

    module (nn.Module): The module.
    RETURNS (bool): Whether it has.
    """
    # Any: modules of TorchScript have these, too, but other types of them.
    one: Any = module
    has_hooks = one._forward_hooks or one._forward_pre_hooks or one._backward_hooks or one._backward_pre_hooks
    return bool(has_hooks) or "forward" in module.__dict__
