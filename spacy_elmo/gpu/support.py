"""Whether kernels run on a GPU, and whether its libraries may round float32 to TF32."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import Any

import torch

from ..errors import Warnings
from . import training_steps
from .kernels import has_triton


def usable(device: torch.device) -> bool:
    """Check whether the kernels run on a device. Warn once if Triton is installed, but cannot compile them.

    device (torch.device): The device.
    RETURNS (bool): Whether they run.
    """
    return device.type == "cuda" and _run_on(device)


@cache
def _run_on(device: torch.device) -> bool:
    if not has_triton():
        return False
    try:
        with torch.cuda.device(device):
            step = torch.zeros(2, 1, 16, device=device)
            output, state = torch.empty_like(step), torch.empty_like(step)
            training_steps.hidden_forward(step, output=output, state=state, clip=None)
    except Exception as error:
        # Triton compiles kernels at run time and needs a C compiler for it, which raises many types of error.
        reason = f"{type(error).__name__}: {error}"
        warnings.warn(Warnings.WL017.format(reason=reason), UserWarning, stacklevel=2)
        return False
    return True


# The settings belong to the whole process: threads that need different ones wait for each other.
_turn = RLock()


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Allow or forbid TF32 for matrix products in the block, and restore the user's setting afterwards.

    allowed (bool): Whether TF32 is allowed.
    """
    settings = torch.backends.cuda.matmul
    with _turn:
        inside: Any = allowed
        try:
            name, before = "allow_tf32", settings.allow_tf32
        except RuntimeError:
            # It was set by its newer name; torch does not allow to mix the names.
            name, before = "fp32_precision", settings.fp32_precision
            inside = "tf32" if allowed else "ieee"
        if before == inside:
            yield
            return
        setattr(settings, name, inside)
        try:
            yield
        finally:
            setattr(settings, name, before)


@contextmanager
def exact_cudnn() -> Iterator[None]:
    """Forbid TF32 in cuDNN in the block, where it is allowed by default. Other settings do not change."""
    cudnn = torch.backends.cudnn
    with (
        _turn,
        cudnn.flags(
            enabled=cudnn.enabled,
            benchmark=cudnn.benchmark,
            benchmark_limit=cudnn.benchmark_limit,
            deterministic=cudnn.deterministic,
            allow_tf32=False,
        ),
    ):
        yield
