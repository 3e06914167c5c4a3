"""CUDA graphs of launches for inference: recorded once and replayed, which saves the time to launch each
kernel."""

import warnings
from collections.abc import Callable, Hashable

import torch

from ..errors import Warnings

# Each graph takes memory of the driver; a program with more keys than this is likely to get new ones all the time.
MOST = 128


class Graphs:
    """CUDA graphs by key. The first time, kernels are launched one by one, since they may be compiled, which
    must not happen while a graph is recorded. The second time, the launches are recorded. A key stands for
    everything that the launches depend on, including the addresses of what they read and write.

    device (torch.device): The device; nothing is recorded if it is not a GPU.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._launched: dict[Hashable, None] = {}
        self._usable = device.type == "cuda"

    def __len__(self) -> int:
        return len(self._graphs)

    def run(self, key: Hashable, launch: Callable[[], None]) -> None:
        """Launch, record or replay kernels.

        key (Hashable): See `Graphs`.
        launch (Callable[[], None]): Launches the kernels.
        """
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
        """Remove all graphs, because the memory that they read and write has moved."""
        self._graphs.clear()
        self._launched.clear()

    def _record(self, key: Hashable, launch: Callable[[], None]) -> "torch.cuda.CUDAGraph | None":
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        try:
            with torch.cuda.stream(stream):
                # Other threads may copy results to the CPU meanwhile.
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
