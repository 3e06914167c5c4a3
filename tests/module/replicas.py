"""Copies of modules as DataParallel makes them."""

from typing import Any

from torch import nn


def replicate(module: nn.Module) -> Any:
    """As torch.nn.parallel.replicate, which needs GPUs."""
    replica = module._replicate_for_data_parallel()
    for name, child in module._modules.items():
        replica._modules[name] = None if child is None else replicate(child)
    for name, parameter in module._parameters.items():
        setattr(replica, name, None if parameter is None else parameter.view_as(parameter))
    return replica
