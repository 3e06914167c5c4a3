"""What this processor and this torch can do: asked here, and nowhere else."""

import time
from functools import cache
from typing import Any, Callable

import torch

from .isolation import computation
from .threads import one_thread


@cache
def has_packed_linear() -> bool:
    """Whether oneDNN keeps matrices in its own order, and that wins: on x86 from AVX2 on.

    The operators are torch's, for its compiler; they are tried here, so that a torch in which they are missing or
    have changed is served by the plain ones.
    """
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512") or not torch.backends.mkldnn.enabled:
        return False
    return _works(_packed_linear)


@cache
def has_bf16() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself (AVX512_BF16 or AMX, or ARM's instructions)."""
    return _instructions("avx512_bf16", "amx_bf16", "bf16")


@cache
def has_int8() -> bool:
    """Whether the processor multiplies 8-bit integers without overflow (VNNI or AMX), and torch does so fast."""
    has_instructions = _instructions("avx512_vnni", "avx_vnni", "amx_int8")
    return has_instructions and _works(_int8_linear) and _is_fast(_int8_linear)


def _instructions(*names: str) -> bool:
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in names)
    # Older torch has one question for each instruction set.
    questions = {"avx512_bf16": "_is_avx512_bf16_supported", "avx512_vnni": "_is_vnni_supported"}
    asked = [getattr(torch.cpu, questions[name], None) for name in names if name in questions]
    return any(question() for question in asked if question is not None)


def _works(attempt: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> bool:
    """Whether an operator multiplies (3, 32) by (64, 32) as it should."""
    with computation(), torch.inference_mode():
        x = torch.linspace(-1, 1, 96).reshape(3, 32).round(decimals=2)
        weight = torch.linspace(1, -1, 2048).reshape(64, 32).round(decimals=2)
        try:
            got = attempt(x, weight)
        except (RuntimeError, AttributeError, TypeError, NotImplementedError):
            return False
        expected = x @ weight.t()
        return got.shape == expected.shape and torch.allclose(got, expected, atol=0.2)


def _is_fast(attempt: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> bool:
    """Whether an operator takes the time of a float32 product, more or less. On an AMD EPYC with VNNI, oneDNN was
    seen to use none of its programs for 8-bit integers: a product took 1,700 times as long."""
    # Where other programs are at work, threads that wait for each other would tell nothing.
    with computation(), torch.inference_mode(), one_thread():
        x, weight = torch.ones(32, 256), torch.ones(256, 256)
        own, float32 = (_seconds(work, x, weight) for work in (attempt, torch.nn.functional.linear))
    # Small products, much of it overhead: a good one takes several times as long, a bad one a thousand times.
    return own < 100 * float32


def _seconds(
    work: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], x: torch.Tensor, weight: torch.Tensor
) -> float:
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work(x, weight)
        times.append(time.perf_counter() - start)
    return min(times)


def _packed_linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    ops: Any = torch.ops.mkldnn
    packed = ops._reorder_linear_weight(weight, len(x))
    if not torch.equal(packed.to_dense(), weight):
        raise RuntimeError
    product = ops._linear_pointwise(x, packed, None, "none", [], "")
    twice: torch.Tensor = ops._linear_pointwise.binary(x, product, packed, None, "add")
    return twice / 2


def _int8_linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    ops: Any = torch.ops.onednn
    scale = torch.full((len(weight),), 1 / 127, dtype=torch.float32)
    zero = torch.zeros(len(weight), dtype=torch.int32)
    packed = ops.qlinear_prepack((weight * 127).round().to(torch.int8), [len(x), x.size(1)])
    numbers = (x * 127).round().to(torch.int8)
    product: torch.Tensor = ops.qlinear_pointwise(
        numbers, 1 / 127, 0, packed, scale, zero, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return product
