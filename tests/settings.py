"""What other code may set for the whole process or thread, and what must not depend on it."""

import locale
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def _set(read: Callable[[], Any], write: Callable[[Any], Any], value: Any) -> Iterator[None]:
    before = read()
    write(value)
    try:
        yield
    finally:
        write(before)


@contextmanager
def _default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _locale(name: str) -> Iterator[None]:
    """Of "C", files that are opened without an encoding are ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, name)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


@contextmanager
def _signals() -> Iterator[None]:
    """Handlers of other code; only the main thread may set them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _refuse) for number in _HANDLED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_HANDLED = (signal.SIGINT, signal.SIGTERM)


def _refuse(number: int, frame: Any) -> None:
    raise AssertionError(number)


def _is_flushing() -> bool:
    with torch.autocast("cpu", enabled=False):
        return float(torch.tensor(1e-30, dtype=torch.float32, device="cpu") * 1e-10) == 0


@contextmanager
def _all(*names: str) -> Iterator[None]:
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(SETTINGS[name]())
        yield


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "default dtype": lambda: _set(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "default dtype float16": lambda: _set(torch.get_default_dtype, torch.set_default_dtype, torch.float16),
    "default device": lambda: _default_device("meta"),
    "default device cpu": lambda: _default_device("cpu"),
    "no gradients": lambda: _set(torch.is_grad_enabled, torch.set_grad_enabled, False),
    "inference mode": lambda: torch.inference_mode(),
    "deterministic": lambda: _set(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "one thread": lambda: _set(torch.get_num_threads, torch.set_num_threads, 1),
    "four threads": lambda: _set(torch.get_num_threads, torch.set_num_threads, 4),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "matmul precision": lambda: _set(
        torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"
    ),
    "anomaly mode": lambda: torch.autograd.set_detect_anomaly(True),
    "numpy raises": lambda: np.errstate(all="raise"),
    "warnings are errors": _warnings_as_errors,
    "switch interval": lambda: _set(sys.getswitchinterval, sys.setswitchinterval, 1e-6),
    "sparse checks": lambda: torch.sparse.check_sparse_tensor_invariants(True),
    "denormals flushed": lambda: _set(_is_flushing, torch.set_flush_denormal, True),
    "no mkldnn": lambda: _set(torch._C._get_mkldnn_enabled, torch._C._set_mkldnn_enabled, False),
    "umask": lambda: _umask(0o077),
    "locale": lambda: _locale("C"),
    "signal handlers": _signals,
    "several": lambda: _all("default dtype", "default device", "no gradients", "autocast", "numpy raises"),
}


def snapshot() -> dict[str, Any]:
    """The settings that can be read."""
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device.type,
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "matmul": torch.get_float32_matmul_precision(),
        "anomaly": torch.is_anomaly_enabled(),
        "numpy": np.geterr(),
        "filters": list(warnings.filters),
        "switch": sys.getswitchinterval(),
        "sparse": torch.sparse.check_sparse_tensor_invariants.is_enabled(),
        "flushing": _is_flushing(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "umask": _read_umask(),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": {number: signal.getsignal(number) for number in _HANDLED},
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
