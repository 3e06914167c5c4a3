"""Whether libraries may round float32 numbers to TF32: cuBLAS in matrix products, cuDNN in LSTMs."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

import torch

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
