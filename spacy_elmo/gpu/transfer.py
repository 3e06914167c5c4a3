"""Copies to a device without waiting for it, and buffers with a fixed address for CUDA graphs."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

# What is smaller, the driver takes along at once.
FEW_BYTES = 32 << 10


def to_device(values: "NDArray[Any] | Tensor", device: torch.device) -> Tensor:
    """The values as a tensor on the device. A GPU is not waited for."""
    if isinstance(values, Tensor) and values.device.type != "cpu":
        return values.to(device)
    return ready_for(values, device).to(device, non_blocking=True)


def ready_for(values: "NDArray[Any] | Tensor", device: torch.device) -> Tensor:
    """Values of the CPU as a tensor from which the device can copy by itself. For a GPU, that is page-locked
    memory, which torch keeps until it has been read."""
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(values)
    return tensor.pin_memory() if device.type == "cuda" and tensor.nbytes > FEW_BYTES else tensor


class Buffers:
    """Named memory on a device, as large as was ever asked for.

    generation: grows whenever memory moves, so that whoever holds on to addresses knows.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.generation = 0
        self._flat: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int, dtype: torch.dtype) -> Tensor:
        """Memory of this shape, with whatever numbers it has. It is the same for every shape that fits."""
        size = 1
        for extent in shape:
            size *= extent
        flat = self._flat.get(name)
        if flat is None or flat.numel() < size or flat.dtype != dtype:
            # Somewhat more than is asked for now: who asks for a little more each time would move it each time.
            room = size if flat is None or flat.dtype != dtype else max(size, flat.numel() * 5 // 4)
            # The old one first: both together may not fit.
            self._flat.pop(name, None)
            del flat
            self.generation += 1
            # Zeros: rows that no sentence has are multiplied too, and what is no number would spread.
            flat = self._flat[name] = torch.zeros(room, dtype=dtype, device=self.device)
        return flat[:size].view(shape)

    def put(self, name: str, array: "NDArray[Any]") -> Tensor:
        """The array, in memory of that name. A GPU is not waited for."""
        tensor = ready_for(array, self.device)
        return self.get(name, *tensor.shape, dtype=tensor.dtype).copy_(tensor, non_blocking=True)

    def clear(self) -> None:
        """Give all memory back."""
        self._flat.clear()
        self.generation += 1
