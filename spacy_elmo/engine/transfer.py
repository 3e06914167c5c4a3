"""Numbers on their way to a device, without waiting for what it is doing."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


# What is smaller, the driver takes along at once.
FEW_BYTES = 32 << 10


def to_device(array: "NDArray[Any]", device: torch.device) -> Tensor:
    """The array as a tensor on the device. A GPU is not waited for."""
    return ready_for(array, device).to(device, non_blocking=True)


def ready_for(array: "NDArray[Any]", device: torch.device) -> Tensor:
    """The array as a tensor from which a device can copy by itself. Of a GPU, that is page-locked memory, which
    torch keeps until it has been read."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory() if device.type == "cuda" and tensor.nbytes > FEW_BYTES else tensor
