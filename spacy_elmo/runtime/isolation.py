"""Computation that does not depend on torch's and numpy's settings, which are the process's or the thread's."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from . import threads
from .forks import ForkLock, process


class _Local(threading.local):
    """gradients (bool | None): Of the innermost `computation` of this thread; None: it is in none."""

    gradients: bool | None = None


_local = _Local()
# As numpy is by itself.
_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
# Functions that make a tensor where the default device is, and those whose numbers have the default dtype.
_FLOATS = {
    torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.eye, torch.linspace, torch.empty_strided,
}  # fmt: skip
_FACTORIES = _FLOATS | {
    torch.tensor, torch.as_tensor, torch.full, torch.arange, torch.randperm, torch.randint,
    torch.sparse_coo_tensor, torch.scalar_tensor, torch.asarray,
}  # fmt: skip


@contextmanager
def computation(*, gradients: bool = False) -> Iterator[None]:
    """What this package computes runs in here: the same numbers come out whatever other code has set, and nothing
    is set for other code. A fork waits for the block's end.

    gradients (bool): Record what a backward pass needs.
    """
    outer = _local.gradients
    if outer is gradients:
        yield
        return
    process.begin()
    try:
        with isolate(gradients=gradients):
            if not threads.local.is_fixed:
                threads.fix_thread_number()
            _local.gradients = gradients
            try:
                yield
            finally:
                _local.gradients = outer
    finally:
        process.end()


@contextmanager
def isolate(*, gradients: bool = False) -> Iterator[None]:
    """Inside, in this thread, torch and numpy work as they do by themselves: float32 tensors on the CPU unless
    they are asked for otherwise, no autocast, exact products.

    gradients (bool): Record what a backward pass needs.
    """
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        # To ask torch for its default device takes five times as long, of what every sentence waits for.
        made = torch.empty(0)
        if made.dtype != torch.float32 or made.device.type != "cpu":
            stack.enter_context(_Factories())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if np.geterr() != _NUMPY_ERRORS:
            stack.enter_context(np.errstate(**_NUMPY_ERRORS))  # type: ignore[arg-type]
        # While others are in there, the setting is theirs.
        if _exact.n_inside or _matmul_precision() != "highest":
            stack.enter_context(_exact)
        with torch.set_grad_enabled(gradients):
            yield


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Inside, numbers too small to matter are zero in this thread: arithmetic with them is far slower."""
    # Torch does not tell how it is set. This product is such a number.
    tiny = torch.tensor(1e-30, dtype=torch.float32, device="cpu")
    before = float(tiny * 1e-10) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


class _Factories(TorchFunctionMode):
    """New tensors are float32, and on the CPU."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function in _FACTORIES:
            # What is a tensor already stays where it is.
            like = args[0] if args and isinstance(args[0], torch.Tensor) else None
            if kwargs.get("device") is None:
                kwargs["device"] = torch.device("cpu") if like is None else like.device
            if function in _FLOATS and like is None and kwargs.get("dtype") is None:
                kwargs["dtype"] = torch.float32
        return function(*args, **kwargs)


class _ExactProducts:
    """Products of float32 matrices are not rounded, whatever `torch.set_float32_matmul_precision` allows, as long
    as any thread is in here."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self.n_inside = 0
        self._before = "highest"

    def __enter__(self) -> None:
        with self._lock:
            if not self.n_inside:
                self._before = _matmul_precision()
                torch.set_float32_matmul_precision("highest")
            self.n_inside += 1

    def __exit__(self, *exc: Any) -> None:
        with self._lock:
            self.n_inside -= 1
            if not self.n_inside:
                torch.set_float32_matmul_precision(self._before)


def _matmul_precision() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        # It was set by its newer name, and torch does not let names be mixed.
        return "highest"


_exact = _ExactProducts()
