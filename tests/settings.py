"""What other code may set for the whole process or thread, and what must not depend on it."""

import sys
import warnings
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, ContextManager, Dict, Iterator

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
def _all(*names: str) -> Iterator[None]:
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(SETTINGS[name]())
        yield


SETTINGS: Dict[str, Callable[[], ContextManager[Any]]] = {
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
    "several": lambda: _all("default dtype", "default device", "no gradients", "autocast", "numpy raises"),
}


def snapshot() -> Dict[str, Any]:
    """The settings that can be read."""
    return {
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device().type,
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
    }
