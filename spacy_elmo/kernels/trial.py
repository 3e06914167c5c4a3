"""Whether kernels run on a device: by a trial, because what Triton needs has many names."""

import warnings
from functools import cache

import torch

from ..errors import Warnings
from . import has_triton, train_steps


def usable(device: torch.device) -> bool:
    """Whether the kernels run there. Warns, once, where Triton is there and cannot make them."""
    return device.type == "cuda" and _run_on(device)


@cache
def _run_on(device: torch.device) -> bool:
    if not has_triton():
        return False
    try:
        with torch.cuda.device(device):
            step = torch.zeros(2, 1, 16, device=device)
            output, state = torch.empty_like(step), torch.empty_like(step)
            train_steps.hidden_forward(step, output=output, state=state, clip=None)
    except Exception as error:
        # Triton makes kernels on the spot, and needs a C compiler for it: what fails there has many names.
        reason = f"{type(error).__name__}: {error}"
        warnings.warn(Warnings.WL017.format(reason=reason), UserWarning, stacklevel=2)
        return False
    return True
