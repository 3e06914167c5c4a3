"""From the host to the device without waiting."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor there. A GPU fetches it when its turn comes, while this thread goes on."""
    if device.type == "cuda" and not tensor.is_cuda:
        # From other memory it can only be copied while everybody waits.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
