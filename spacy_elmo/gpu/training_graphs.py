"""CUDA graphs of repeated work in training: hundreds of small launches become one."""

import warnings
from collections.abc import Callable, Hashable

import torch

from ..errors import Warnings


class Graphs:
    """Records work on a GPU when it is repeated, and replays it from then on."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Hashable, torch.cuda.CUDAGraph | None]] = {}
        self._possible = True

    def run(self, name: str, key: Hashable, work: Callable[[], None]) -> None:
        """Run work directly or by a graph.

        name (str): Names a place in the program, for which the last graph is kept.
        key (Hashable): Work of the same name and key must use the same memory and launch the same kernels,
            allocate nothing and draw no random numbers.
        work (Callable[[], None]): The work.
        """
        known, graph = self._found.pop(name, (None, None))
        if known != key:
            # The first run makes kernels and handles, which is not possible while a graph is recorded.
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
            # Other threads are not restricted meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                work()
        except RuntimeError as error:
            # If recording fails, torch leaves its stream set.
            torch.cuda.set_stream(stream)
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            self._possible = False
            warnings.warn(Warnings.WL016.format(reason=error), UserWarning, stacklevel=2)
            return None
        return graph
