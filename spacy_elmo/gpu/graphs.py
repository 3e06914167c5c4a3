"""Launches recorded once and replayed, so that the processor needs no time for each of them."""

import warnings
from collections.abc import Callable, Hashable

import torch

from ..errors import Warnings

# Each holds some memory of the driver's; a program that meets more keys than this meets ever new ones.
MOST = 128


class Graphs:
    """CUDA graphs by key. The first time, launches go out one by one: kernels are compiled then, which must not
    happen while a graph is recorded. The second time, they are recorded. A key stands for everything that the
    launches depend on, the addresses of what they read and write included.

    device: on another one than a GPU nothing is recorded.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._launched: dict[Hashable, None] = {}
        self._usable = device.type == "cuda"

    def __len__(self) -> int:
        return len(self._graphs)

    def run(self, key: Hashable, launch: Callable[[], None]) -> None:
        """Do what `launch` does."""
        if len(self._launched) > MOST:
            self.clear()
        graph = self._graphs.get(key)
        if graph is None and self._usable and key in self._launched:
            graph = self._record(key, launch)
        if graph is None:
            self._launched[key] = None
            launch()
        else:
            graph.replay()

    def clear(self) -> None:
        """Forget all: what they read and write is not where it was."""
        self._graphs.clear()
        self._launched.clear()

    def _record(self, key: Hashable, launch: Callable[[], None]) -> "torch.cuda.CUDAGraph | None":
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        try:
            with torch.cuda.stream(stream):
                # Other threads may well bring results to the CPU meanwhile.
                graph.capture_begin(capture_error_mode="thread_local")
                try:
                    launch()
                finally:
                    graph.capture_end()
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._usable = False
            reason = str(error).splitlines()[0]
            warnings.warn(Warnings.WL016.format(reason=reason), stacklevel=2)
            return None
        torch.cuda.current_stream(self._device).wait_stream(stream)
        self._graphs[key] = graph
        return graph
