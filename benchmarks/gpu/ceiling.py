"""What the card itself can do: the ceilings that speeds are held against."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..model import lstm_flops


def seconds(work: Callable[[], object], *, repeats: int = 10) -> float:
    """Median time of a piece of work on the GPU."""
    for _ in range(3):
        work()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return float(sorted(times)[len(times) // 2])


def ceilings() -> dict[str, float]:
    """Matrix products of 8192 numbers each way, in operations a second; a copy, in bytes read and written."""
    size = 8192

    def product(dtype: torch.dtype, *, tf32: bool = False) -> float:
        a, b = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = tf32
        try:
            return 2 * size**3 / seconds(lambda: a @ b, repeats=5)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target: Tensor = torch.empty_like(source)
    return {
        "bf16": product(torch.bfloat16),
        "tf32": product(torch.float32, tf32=True),
        "fp32": product(torch.float32),
        "copy": 2 * source.numel() / seconds(lambda: target.copy_(source)),
    }


def share(tokens_per_second: float, ceiling: float) -> float:
    """Share of a ceiling that the LSTMs' matrix products of so many tokens take."""
    return tokens_per_second * lstm_flops() / ceiling
