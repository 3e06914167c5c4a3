"""Whether libraries may round float32 numbers to TF32: cuBLAS in matrix products, cuDNN in LSTMs."""

from contextlib import contextmanager
from typing import Iterator

import torch


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """So inside; outside, as whoever uses torch has set it. The setting is of the whole process."""
    settings = torch.backends.cuda.matmul
    try:
        before = settings.allow_tf32
    except RuntimeError:
        # It was set by its newer name, and torch does not let names be mixed.
        with _by_newer_name(allowed):
            yield
        return
    if before == allowed:
        yield
        return
    settings.allow_tf32 = allowed
    try:
        yield
    finally:
        settings.allow_tf32 = before


@contextmanager
def _by_newer_name(allowed: bool) -> Iterator[None]:
    settings = torch.backends.cuda.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "tf32" if allowed else "ieee"
    try:
        yield
    finally:
        settings.fp32_precision = before


@contextmanager
def exact_cudnn() -> Iterator[None]:
    """Inside, cuDNN keeps float32 numbers as they are, which it does not by itself; other settings stay."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        benchmark_limit=cudnn.benchmark_limit,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    ):
        yield
