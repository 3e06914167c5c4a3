"""Copies to a device without waiting for it, and buffers with a fixed address for CUDA graphs."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

# Smaller copies are made by the driver at once.
FEW_BYTES = 32 << 10


def to_device(values: "NDArray[Any] | Tensor", device: torch.device) -> Tensor:
    """Copy values to a device, without waiting for a GPU.

    values (NDArray | Tensor): The values.
    device (torch.device): The device.
    RETURNS (Tensor): A tensor on the device.
    """
    if isinstance(values, Tensor) and values.device.type != "cpu":
        return values.to(device)
    return ready_for(values, device).to(device, non_blocking=True)


def ready_for(values: "NDArray[Any] | Tensor", device: torch.device) -> Tensor:
    """Convert values on the CPU to a tensor that the device can copy asynchronously. For a GPU, that is
    page-locked memory, which torch keeps until it has been read.

    values (NDArray | Tensor): The values.
    device (torch.device): The device that will copy them.
    RETURNS (Tensor): A tensor on the CPU.
    """
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(values)
    return tensor.pin_memory() if device.type == "cuda" and tensor.nbytes > FEW_BYTES else tensor


class Buffers:
    """Named memory on a device, which keeps the largest size that was requested.

    device (torch.device): The device.

    generation (int): Increased whenever memory moves, to detect that addresses are no longer valid.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.generation = 0
        self._flat: dict[str, Tensor] = {}

    def get(self, name: str, *shape: int, dtype: torch.dtype) -> Tensor:
        """Get memory with undefined content. It is the same for every shape that fits.

        name (str): The name of the memory.
        shape (int): The shape of the tensor.
        dtype (torch.dtype): Its dtype.
        RETURNS (Tensor): The tensor.
        """
        size = 1
        for extent in shape:
            size *= extent
        flat = self._flat.get(name)
        if flat is None or flat.numel() < size or flat.dtype != dtype:
            # Somewhat more than requested: slowly growing requests would move it each time.
            room = size if flat is None or flat.dtype != dtype else max(size, flat.numel() * 5 // 4)
            # Free the old memory first: both together may not fit.
            self._flat.pop(name, None)
            del flat
            self.generation += 1
            # Zeros: rows without a sentence are multiplied, too, and NaN would spread.
            flat = self._flat[name] = torch.zeros(room, dtype=dtype, device=self.device)
        return flat[:size].view(shape)

    def put(self, name: str, array: "NDArray[Any]") -> Tensor:
        """Copy an array to named memory, without waiting for a GPU.

        name (str): The name of the memory.
        array (NDArray): The array.
        RETURNS (Tensor): The tensor.
        """
        tensor = ready_for(array, self.device)
        return self.get(name, *tensor.shape, dtype=tensor.dtype).copy_(tensor, non_blocking=True)

    def clear(self) -> None:
        """Free all memory."""
        self._flat.clear()
        self.generation += 1
