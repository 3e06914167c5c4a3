"""How Thinc sees the torch side of the embedder: what learns, and what is saved."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import nn

from ..elmo import Elmo
from ..errors import Warnings
from ..runtime.isolation import computation
from ..runtime.workers import Workers
from ..weights.source import is_local
from .holder import ElmoHolder
from .torch_shim import TorchShim


class ElmoShim(TorchShim):
    """Steps are taken for what the config lets learn, at rates of their own, and the Elmo hears of them."""

    # Whether unread weights are read when it is saved; not where the component sees to that.
    reads_to_save = True

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

    def elmo_to_save(self, *, what: str = "A biLM", instead: Any | None = None) -> Elmo | None:
        """The model; weights that have not been read are read now, if they can be without a network.

        what: is saved, for messages. instead: what is to be read in place of the source, and later.
        RETURNS: None if there are none to save; a warning says so.
        """
        holder = self.holder
        source = holder.training_settings.source
        if holder.has_weights or source is None:
            return holder.elmo
        if instead is not None and instead != source:
            source, reason = instead, "nlp.initialize(), which is to read them, was not called"
        elif not is_local(source):
            reason = "they would have to be downloaded first"
        else:
            try:
                return holder.ready(self.device)
            except (OSError, ValueError, ImportError) as error:
                reason = f"they cannot be read ({error})"
        warnings.warn(Warnings.WL023.format(what=what, source=source, reason=reason), stacklevel=2)
        return None

    def to_bytes(self) -> bytes:
        if self.reads_to_save:
            self.elmo_to_save()
        return cast(bytes, super().to_bytes())

    def finish_update(self, optimizer: Any) -> None:
        gradients = [parameter.grad for _, parameter, _ in self.learning() if parameter.grad is not None]
        if not gradients:
            return
        if not are_finite(gradients, n_threads=self.holder.settings.n_threads):
            self.holder.skip_step()
            return
        self.holder.remember()
        super().finish_update(optimizer)
        self.holder.count_step()

    def learning(self) -> Iterator[tuple[str, nn.Parameter, float]]:
        return self.holder.learning()

    def has_learnt(self) -> None:
        self.holder.has_learnt()


@computation()
def are_finite(tensors: Sequence[torch.Tensor], *, n_threads: int | None = None) -> bool:
    """Whether there is neither NaN nor an infinite number in them. n_threads: see `Settings`."""
    full = [tensor for tensor in tensors if tensor.numel()]
    # They cannot overflow, as a sum can; torch finds them many times faster than the largest absolute number.
    if all(tensor.device.type == "cpu" for tensor in full):
        extremes = Workers(n_threads).map(torch.aminmax, full)
    else:
        extremes = [torch.aminmax(tensor) for tensor in full]
    return not full or bool(torch.stack([number for both in extremes for number in both]).isfinite().all())


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
