"""CUDA graphs of work that comes again and again: hundreds of small launches become one."""

import warnings
from collections.abc import Callable, Hashable

import torch

from ..errors import Warnings


class Graphs:
    """Records work on a GPU when it comes a second time, and replays it from then on."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Hashable, torch.cuda.CUDAGraph | None]] = {}
        self._possible = True

    def run(self, name: str, key: Hashable, work: Callable[[], None]) -> None:
        """Do the work, launch by launch or by a graph.

        name: of one place in the program; it keeps the last graph. key: work of the same name and key reads and
        writes the same memory and launches the same kernels, allocates nothing and draws no random numbers.
        """
        known, graph = self._found.pop(name, (None, None))
        if known != key:
            # The first time makes kernels and handles, which cannot be done while a graph is recorded.
            graph = None
        elif graph is None and self._possible:
            graph = self._record(work)
        self._found[name] = key, graph
        if graph is None:
            work()
        else:
            graph.replay()

    def _record(self, work: Callable[[], None]) -> torch.cuda.CUDAGraph | None:
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            # Other threads may do as they like meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                work()
        except RuntimeError as error:
            # Where recording breaks off, torch leaves its own stream in place.
            torch.cuda.set_stream(stream)
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            self._possible = False
            warnings.warn(Warnings.WL016.format(reason=error), UserWarning, stacklevel=2)
            return None
        return graph
