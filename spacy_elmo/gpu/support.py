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
            training_steps.hidden_forward(step, output=output, state=state, clip=None)
    except Exception as error:
        # Triton makes kernels on the spot, and needs a C compiler for it: what fails there has many names.
        reason = f"{type(error).__name__}: {error}"
        warnings.warn(Warnings.WL017.format(reason=reason), UserWarning, stacklevel=2)
        return False
    return True


# The settings are of the whole process: two that want them otherwise take turns.
_turn = RLock()


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """So inside, for matrix products; outside, as whoever uses torch has set it."""
    settings = torch.backends.cuda.matmul
    with _turn:
        inside: Any = allowed
        try:
            name, before = "allow_tf32", settings.allow_tf32
        except RuntimeError:
            # It was set by its newer name, and torch does not let names be mixed.
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
    """Inside, cuDNN keeps float32 numbers as they are, which it does not by itself; other settings stay."""
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
