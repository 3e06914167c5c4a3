"""Computation that does not depend on torch's and numpy's settings, which other code may change."""

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
    """The state of a thread.

    gradients (bool | None): The argument of the innermost `computation`; None: there is no such block.
    """

    gradients: bool | None = None


_local = _Local()
# The defaults of numpy.
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
    """Compute in this block: the results do not depend on what other code has set, and other code is not affected.
    Forks wait until the block ends.

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
    """Use the default settings of torch and numpy in this thread: new tensors are float32 and on the CPU,
    there is no autocast, and products are exact.

    gradients (bool): Record what a backward pass needs.
    """
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        # Fast, since it runs for every sentence: to ask torch for its default device takes five times as long.
        made = torch.empty(0)
        if made.dtype != torch.float32 or made.device.type != "cpu":
            stack.enter_context(_Factories())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if np.geterr() != _NUMPY_ERRORS:
            stack.enter_context(np.errstate(**_NUMPY_ERRORS))  # type: ignore[arg-type]
        # Also while other threads are in such a block, who would restore the setting.
        if _exact.n_inside or _matmul_precision() != "highest":
            stack.enter_context(_exact)
        with torch.set_grad_enabled(gradients):
            yield


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Flush denormals to zero in this thread: negligible values, with very slow arithmetic."""
    # Torch has no function to get this setting. This product is a denormal.
    tiny = torch.tensor(1e-30, dtype=torch.float32, device="cpu")
    before = float(tiny * 1e-10) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


class _Factories(TorchFunctionMode):
    """Make new tensors float32, and on the CPU."""

    def __torch_function__(
        self, function: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function in _FACTORIES:
            # A tensor that is passed in stays on its device.
            like = args[0] if args and isinstance(args[0], torch.Tensor) else None
            if kwargs.get("device") is None:
                kwargs["device"] = torch.device("cpu") if like is None else like.device
            if like is None and kwargs.get("dtype") is None and _makes_floats(function, args, kwargs):
                kwargs["dtype"] = torch.float32
        return function(*args, **kwargs)


def _makes_floats(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Check whether a factory's tensor has the default type of numbers with fractions."""
    if function is torch.full:
        return isinstance(args[1] if len(args) > 1 else kwargs.get("fill_value"), float)
    return function in _FLOATS


class _ExactProducts:
    """Keep products of float32 matrices exact, whatever `torch.set_float32_matmul_precision` allows, while any
    thread is in the block."""

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

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self.n_inside -= 1
            if not self.n_inside:
                torch.set_float32_matmul_precision(self._before)


def _matmul_precision() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        # It was set by its newer name; torch does not allow to mix the names.
        return "highest"


_exact = _ExactProducts()
