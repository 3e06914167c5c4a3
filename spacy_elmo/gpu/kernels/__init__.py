"""Triton kernels, for GPUs. Modules here need Triton when they are imported: ask `has_triton` first.

With TRITON_INTERPRET=1 in the environment, before Triton is imported, they run on the CPU, on tensors of the CPU.
"""

from functools import cache
from importlib.util import find_spec


@cache
def has_triton() -> bool:
    """Whether kernels can be had at all; on which device they run is another question."""
    return find_spec("triton") is not None
