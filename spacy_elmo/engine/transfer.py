"""Numbers on their way to a device, without waiting for what it is doing."""

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
