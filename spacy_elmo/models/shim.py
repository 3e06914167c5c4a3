"""How Thinc sees the torch side of the embedder: what learns, and what is saved."""

from typing import Iterator, Tuple, cast

import torch
from torch import nn

from .holder import ElmoHolder
from .torch_shim import TorchShim


class ElmoShim(TorchShim):
    """Steps are taken for what the config lets learn, at rates of their own, and the Elmo hears of them."""

    def __init__(self, holder: ElmoHolder):
        super().__init__(holder, serialize_model=to_bytes, deserialize_model=from_bytes)

    @property
    def holder(self) -> ElmoHolder:
        return cast(ElmoHolder, self.module)

    @property
    def device(self) -> torch.device:
        """That of the config, if it names one; else where the weights are, or will be."""
        return self.holder.device or cast(torch.device, super().device)

    def to_device(self, device_type: str, device_id: int) -> None:
        self.holder.move(torch.device("cuda", device_id) if device_type == "gpu" else torch.device("cpu"))

    def learning(self) -> Iterator[Tuple[str, nn.Parameter, float]]:
        return self.holder.learning()

    def has_learnt(self) -> None:
        self.holder.has_learnt()


def to_bytes(holder: ElmoHolder) -> bytes:
    """The weights for Thinc's serialisation; nothing where there are none yet."""
    from ..weights.formats import folder

    elmo = holder.elmo
    return folder.to_bytes(elmo.options, elmo.named_arrays()) if elmo is not None else b""


def from_bytes(holder: ElmoHolder, data: bytes, device: torch.device) -> ElmoHolder:
    """The inverse of `to_bytes`, into a holder that keeps its own settings."""
    from ..weights.formats import folder

    if data:
        holder.fill(folder.from_bytes(data, where="the saved pipeline"), device=device)
    else:
        holder.empty()
    return holder
