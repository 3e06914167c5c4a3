"""What this processor and this version of torch can do. No other module asks."""

import time
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from ...runtime.isolation import computation
from ...runtime.threads import one_thread
from .linear import Int8Linear, LinearType, TorchLinear, UInt8Linear

# Multiplies inputs, (n, inputs), by a weight, (outputs, inputs).
Product = Callable[[Tensor, Tensor], Tensor]
# Their results are equal to the last bit; only the time differs.
INT8_WAYS: Sequence[LinearType] = (Int8Linear, UInt8Linear)
# The first try compiles a program, and any try may have to wait for a processor.
N_TRIES = 4


@cache
def has_packed_linear() -> bool:
    """Check whether oneDNN's packed matrices work and are faster: on x86 with AVX2 or more.

    The operators belong to torch's compiler and may change: they are tried here, and plain ones are used if that
    fails.

    RETURNS (bool): Whether to use `PackedLinear`.
    """
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512") or not torch.backends.mkldnn.enabled:
        return False
    return _works(_packed_linear)


@cache
def has_bf16() -> bool:
    """Check whether the processor multiplies bfloat16 numbers (AVX512_BF16 or AMX, or ARM's instructions).

    RETURNS (bool): Whether it does.
    """
    return _has_instruction("avx512_bf16", "amx_bf16", "bf16")


def has_int8() -> bool:
    """Check whether the processor multiplies 8-bit integers without overflow (VNNI or AMX), and torch uses that.

    RETURNS (bool): Whether `choose_int8_linear` finds a class.
    """
    return choose_int8_linear() is not None


@cache
def choose_int8_linear() -> LinearType | None:
    """Choose the fastest way to multiply 8-bit integers.

    oneDNN's programs differ from processor to processor. Without a program for a kind of integers, it multiplies
    them one by one: with VNNI but without AMX, signed inputs took thousands of times as long as unsigned ones.

    RETURNS (LinearType | None): The class; None if no way works and is fast.
    """
    if not _has_instruction("avx512_vnni", "avx_vnni", "amx_int8"):
        return None
    ways = [way for way in INT8_WAYS if _works(_make_product(way)) and _is_fast(way)]
    return _find_fastest(ways) if len(ways) > 1 else next(iter(ways), None)


def _has_instruction(*names: str) -> bool:
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in names)
    # Older torch has one question for each instruction set.
    questions = {"avx512_bf16": "_is_avx512_bf16_supported", "avx512_vnni": "_is_vnni_supported"}
    asked = [getattr(torch.cpu, questions[name], None) for name in names if name in questions]
    return any(question() for question in asked if question is not None)


def _works(attempt: Product) -> bool:
    """Check that an operator multiplies (3, 32) by (64, 32) correctly. The numbers are large, so that products of
    8-bit integers overflow without VNNI or AMX."""
    with computation(), torch.inference_mode():
        x = torch.linspace(-1, 1, 96).reshape(3, 32).round(decimals=2)
        weight = torch.linspace(1, -1, 2048).reshape(64, 32).round(decimals=2)
        try:
            got = attempt(x, weight)
        except (RuntimeError, AttributeError, TypeError, NotImplementedError):
            return False
        expected = x @ weight.t()
        return got.shape == expected.shape and torch.allclose(got, expected, atol=0.2)


def _make_product(way: LinearType) -> Product:
    def multiply(x: Tensor, weight: Tensor) -> Tensor:
        linear = way(weight)
        return linear(linear.prepare(x))

    return multiply


def _is_fast(way: LinearType) -> bool:
    """Check that a product takes about as long as a float32 product."""
    own, float32 = _measure_seconds([way, TorchLinear], n_rows=8, n_inputs=512, n_outputs=512)
    # A good way takes about as long, a bad one more than a hundred times. In smaller products the overhead of both
    # hides the difference.
    return own < 15 * float32


def _find_fastest(ways: Sequence[LinearType]) -> LinearType:
    seconds = _measure_seconds(ways, n_rows=32, n_inputs=512, n_outputs=512)
    return ways[seconds.index(min(seconds))]


def _measure_seconds(ways: Sequence[LinearType], *, n_rows: int, n_inputs: int, n_outputs: int) -> list[float]:
    """Measure the shortest time of a product in each way."""
    times: list[list[float]] = [[] for _ in ways]
    # With one thread: threads that wait for each other are slow if other programs run.
    with computation(), torch.inference_mode(), one_thread():
        x, weight = torch.ones(n_rows, n_inputs), torch.ones(n_outputs, n_inputs)
        linears = [way(weight) for way in ways]
        for _ in range(N_TRIES):
            for linear, own in zip(linears, times):
                start = time.perf_counter()
                linear(linear.prepare(x))
                own.append(time.perf_counter() - start)
    return [min(own) for own in times]


def _packed_linear(x: Tensor, weight: Tensor) -> Tensor:
    ops = torch.ops.mkldnn
    packed = ops._reorder_linear_weight(weight, len(x))
    if not torch.equal(packed.to_dense(), weight):
        raise RuntimeError
    product = ops._linear_pointwise(x, packed, None, "none", [], "")
    twice: Tensor = ops._linear_pointwise.binary(x, product, packed, None, "add")
    return twice / 2
