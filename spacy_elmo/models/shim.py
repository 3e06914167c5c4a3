"""How Thinc sees the torch side: saving, optimizer steps, averaged parameters."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, cast

import torch
from thinc.api import Optimizer, PyTorchShim, torch2xp, xp2torch
from thinc.backends import get_array_ops
from thinc.shims import Shim

from .holder import ElmoHolder


class ElmoShim(PyTorchShim):
    """Steps are taken for the parameters that learn, at rates of their own; and the optimizer's averages reach
    them, which they do not in Thinc 8.3's shim: its keys are others than its optimizer's."""

    def __init__(self, holder: ElmoHolder):
        super().__init__(holder, serialize_model=to_bytes, deserialize_model=from_bytes)

    @property
    def holder(self) -> ElmoHolder:
        return cast(ElmoHolder, self._model)

    def copy(self) -> "ElmoShim":
        made: ElmoShim = super().copy()
        # Optimizers know parameters by the shim's number: a copy learns for itself.
        Shim.global_id += 1
        made.id = Shim.global_id
        return made

    @property
    def has_gradient(self) -> bool:
        return any(parameter.grad is not None for _, parameter, _ in self.holder.learning())

    def finish_update(self, optimizer: Optimizer) -> None:
        for name, parameter, factor in self.holder.learning():
            if parameter.grad is None:
                continue
            values, gradient = _flat(parameter.data), _flat(parameter.grad)
            # `nlp.rehearse` puts a function here that knows no rates.
            scale = {} if factor == 1 else {"lr_scale": factor}
            found, _ = optimizer((self.id, name), values, gradient, **scale)
            # Steps are taken in place as a rule; not so in float64, and not by `nlp.rehearse`, which steps later.
            if found is not values or parameter.dtype != torch.float32:
                _put(parameter, found)
            parameter.grad = None
            self.holder.has_learnt()

    @contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        before: Dict[str, torch.Tensor] = {}
        parameters = {name: parameter for name, parameter, _ in self.holder.learning()}
        for name, parameter in parameters.items():
            if (self.id, name) in params:
                before[name] = parameter.data
                _put(parameter, params[(self.id, name)])
                self.holder.has_learnt()
        try:
            yield
        finally:
            for name, values in before.items():
                parameters[name].data = values
                self.holder.has_learnt()


def _flat(tensor: torch.Tensor) -> Any:
    """A float32 array, (n,), over the tensor's memory where it can be, as Thinc's optimizers need it: they ask for
    a length, which a single number does not have."""
    array: Any = torch2xp(tensor.detach())
    return get_array_ops(array).asarray1f(array.reshape(-1))


def _put(parameter: torch.nn.Parameter, values: Any) -> None:
    # Not in place: the tensor that was there may be wanted back.
    tensor = xp2torch(values.copy(), device=parameter.device)
    parameter.data = tensor.reshape(parameter.shape).to(parameter.dtype)


def to_bytes(holder: ElmoHolder) -> bytes:
    """The weights for Thinc's serialisation; nothing where there are none yet."""
    from ..weights import folder

    elmo = holder.elmo
    return folder.to_bytes(elmo.options, elmo.named_arrays()) if elmo is not None else b""


def from_bytes(holder: ElmoHolder, data: bytes, device: torch.device) -> ElmoHolder:
    """The inverse of `to_bytes`, into a holder that keeps its own settings."""
    from ..weights import folder

    if data:
        holder.fill(folder.from_bytes(data, where="the saved pipeline"), device=device)
    else:
        holder.empty()
    return holder
