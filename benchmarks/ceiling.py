"""What the processor can do at most: matrix products and reading, one thread a core, nothing else."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.factory import choose_lstm_linear

# The gates of a layer, for 256 rows: tall enough that no shape does better by much.
OUTPUTS, INPUTS, ROWS, PRODUCTS = 4096, 512, 256, 60
# One direction's weights of the original model, in float32.
READ_BYTES = 150_000_000


def ceilings(threads: int) -> dict[str, float]:
    """GFLOP/s of matrix products in each precision, GB/s of reading; all threads together, best of some tries."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            found = {f"{name} GFLOP/s": _gemm(name, threads) for name in precisions()}
            found["reading GB/s"] = _reading(threads)
    finally:
        torch.set_num_threads(before)
    return found


def precisions() -> list[str]:
    """Those that are faster than float64 and possible here."""
    possible = {"fp32": True, "bf16": features.has_bf16(), "int8": features.has_int8()}
    return [name for name, here in possible.items() if here]


def _gemm(precision: str, threads: int) -> float:
    linear = choose_lstm_linear(precision)
    products = [linear(torch.randn(OUTPUTS, INPUTS)) for _ in range(threads)]
    prepared = linear.prepare(torch.randn(ROWS, INPUTS))

    def work(number: int) -> None:
        with torch.inference_mode():
            for _ in range(PRODUCTS):
                products[number](prepared)

    return 2 * OUTPUTS * INPUTS * ROWS * PRODUCTS * threads / _best(work, threads) / 1e9


def _reading(threads: int) -> float:
    data = [torch.ones(READ_BYTES // 4) for _ in range(threads)]

    def work(number: int) -> None:
        with torch.inference_mode():
            data[number].sum()

    return READ_BYTES * threads / _best(work, threads) / 1e9


def _best(work: Callable[[int], None], threads: int, tries: int = 5) -> float:
    """Seconds that all threads together take, at best."""
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(tries):
            start = time.perf_counter()
            list(pool.map(work, range(threads)))
            best = min(best, time.perf_counter() - start)
    return best
