"""Functions that run without Python's lock.

A step of a recurrence takes a dozen operations, of some microseconds each where rows are few. Between them,
threads that wait for Python's lock would have to be woken up, which takes longer than an operation: they would run
in turn. TorchScript's interpreter holds no lock.
"""

import inspect
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch


def compiled(*functions: Callable[..., Any], is_right: Callable[[Any, Any], bool]) -> Any:
    """Compile functions of a module, in whose source they stand below the line "# TorchScript from here on.".

    functions (Callable): Plain Python, which runs as such where torch cannot compile it.
    is_right (Callable[[Any, Any], bool]): Whether what was compiled, the first argument, gives what Python gives.
    RETURNS (Any): The functions by their names.
    """
    plain = SimpleNamespace(**{function.__name__: function for function in functions})
    try:
        # Also from a zip archive; an OSError where only bytecode was installed.
        text = inspect.getsource(sys.modules[functions[0].__module__])
        source = text.partition("\n# TorchScript from here on.\n")[2]
        # Not torch.jit.script, which warns that it will go: this compiles text, whatever Python is.
        # Hence only what torch has in C++ may be called there, no function of Python.
        unit: Any = torch.jit.CompilationUnit(source)
        if is_right(unit, plain):
            return unit
    except (RuntimeError, AttributeError, OSError):
        pass
    return plain
