"""Arrays of Thinc's Ops and tensors of torch: how one becomes the other, and who owns the memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from thinc.api import CupyOps, Ops, get_array_module, torch2xp, xp2torch
from torch import Tensor

from .own_rows import own_rows


def stays_on_device(ops: Ops, device: torch.device) -> bool:
    """Whether what torch computes on the device becomes arrays of these Ops without passing the CPU."""
    return isinstance(ops, CupyOps) and device.type == "cuda"


def to_array(tensor: Tensor, ops: Ops) -> Any:
    """The tensor as a float32 array of the Ops, over the same memory where that is possible."""
    tensor = tensor.detach().float()
    if isinstance(ops, CupyOps):
        # Where Thinc computes: the model may be on another GPU, or on the CPU.
        return torch2xp(tensor.to(torch.device("cuda", torch.cuda.current_device())).contiguous(), ops=ops)
    return tensor.cpu().numpy()


def to_tensor(array: Any, like: Tensor) -> Tensor:
    """The array as a tensor of the same kind and on the same device as another one."""
    return xp2torch(array, device=like.device).to(like.dtype)


def as_like(array: Any, like: Any) -> Any:
    """The array on the CPU or on the GPU, as another one is."""
    if get_array_module(like) is np:
        return to_numpy(array)
    return get_array_module(like).asarray(array)


def to_numpy(array: Any) -> Any:
    """The array on the CPU."""
    return array.get() if hasattr(array, "get") else array


def of_docs(tensor: Tensor, lengths: Sequence[int], ops: Ops) -> list[Any]:
    """Rows of each Doc as an array of the Ops that owns its memory: who keeps a Doc keeps no other's rows.

    tensor: (n_tokens, width), Doc after Doc. lengths: tokens of each Doc.
    """
    return own_rows(to_array(tensor, ops), lengths)
