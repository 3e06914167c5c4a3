"""A torch module as Thinc trains and saves it: optimizer steps, averaged parameters, copies, bytes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, cast

import numpy as np
import torch
from thinc import compat
from thinc.api import Optimizer, PyTorchShim, get_array_module, torch2xp, xp2torch
from thinc.backends import get_array_ops
from thinc.shims import Shim
from torch import nn

from ..errors import ElmoError, Errors
from ..runtime.isolation import computation, isolate
from ..runtime.workers import Workers


def state_to_bytes(module: nn.Module) -> bytes:
    """A module's parameters for Thinc's serialisation."""
    data = BytesIO()
    torch.save(module.state_dict(), data)
    return data.getvalue()


@computation()
def state_from_bytes(module: nn.Module, data: bytes, device: torch.device) -> nn.Module:
    """The inverse of `state_to_bytes`, into a module of the same sizes. Runs no code of the data's.

    RAISES (ElmoError): If the sizes are others.
    """
    state = torch.load(BytesIO(data), map_location=device, weights_only=True)
    got, expected = (
        {name: tuple(array.shape) for name, array in each.items()} for each in (state, module.state_dict())
    )
    if got != expected:
        name = min(name for name in {*got, *expected} if got.get(name) != expected.get(name))
        raise ElmoError(Errors.EL127.format(name=name, got=got.get(name), expected=expected.get(name)))
    module.load_state_dict(state)
    return module.to(device)


class TorchShim(PyTorchShim):
    """The optimizer's averages reach the parameters, which they do not in Thinc 8.3's shim: its keys are others
    than its optimizer's. Copies learn for themselves. What is saved holds arrays, and no code."""

    def __init__(
        self,
        module: nn.Module,
        *,
        serialize_model: Callable[[Any], bytes] = state_to_bytes,
        deserialize_model: Callable[[Any, bytes, torch.device], Any] = state_from_bytes,
    ):
        with isolate():
            super().__init__(module, serialize_model=serialize_model, deserialize_model=deserialize_model)

    @property
    def module(self) -> nn.Module:
        return cast(nn.Module, self._model)

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter, float]]:
        """(name, parameter, factor of the learning rate) of each that learns."""
        for name, parameter in self.module.named_parameters():
            yield name, parameter, 1.0

    def mark_changed(self) -> None:
        """Called when parameters were changed."""

    @property
    def has_gradient(self) -> bool:
        return any(parameter.grad is not None for _, parameter, _ in self.trained_parameters())

    def copy(self) -> "TorchShim":
        made: TorchShim = super().copy()
        # Optimizers know parameters by the shim's number.
        Shim.global_id += 1
        made.id = Shim.global_id
        return made

    @computation()
    def finish_update(self, optimizer: Optimizer) -> None:
        for name, parameter, factor in self.trained_parameters():
            if parameter.grad is None:
                continue
            if factor != 1 and not isinstance(optimizer, Optimizer):
                # `nlp.rehearse` puts a function here that knows no rates: better no step than too long a one.
                parameter.grad = None
                continue
            values, gradient = to_steps(parameter.data), to_steps(parameter.grad)
            scale = {} if factor == 1 else {"lr_scale": factor}
            found, _ = optimizer((self.id, name), values, gradient, **scale)
            # Steps are taken in place as a rule; not so in float64, on a GPU without CuPy, and by `nlp.rehearse`,
            # which steps later.
            if found is not values or not is_same_memory(values, parameter):
                _put(parameter, found)
            parameter.grad = None
            self.mark_changed()

    @contextmanager
    def use_params(self, params: Any) -> Iterator[None]:
        before: dict[str, torch.Tensor] = {}
        parameters = {name: parameter for name, parameter, _ in self.trained_parameters()}
        for name, parameter in parameters.items():
            if (self.id, name) in params:
                before[name] = parameter.data
                _put(parameter, params[(self.id, name)])
                self.mark_changed()
        try:
            yield
        finally:
            for name, values in before.items():
                parameters[name].data = values
                self.mark_changed()


def to_steps(tensor: torch.Tensor) -> Any:
    """A float32 array, (n,), over the tensor's memory where it can be, as Thinc's optimizers need it: they ask for
    a length, which a single number does not have."""
    tensor = tensor.detach().reshape(-1)
    # A GPU that CuPy does not compute on is one of PyTorch's alone: steps are taken on the CPU.
    array: Any = torch2xp(tensor) if not tensor.is_cuda or _cupy_is_at(tensor.device) else tensor.cpu().numpy()
    return get_array_ops(array).asarray1f(array)


def is_same_memory(array: Any, tensor: torch.Tensor) -> bool:
    """Whether what is done to the array of `to_steps` is done to the tensor."""
    pointer = array.ctypes.data if get_array_module(array) is np else array.data.ptr
    return bool(pointer == tensor.data_ptr())


def _cupy_is_at(device: torch.device) -> bool:
    if not compat.has_cupy_gpu:
        return False
    import cupy

    return bool(cupy.cuda.Device().id == device.index)


def _put(parameter: torch.nn.Parameter, values: Any) -> None:
    # Not in place: the tensor that was there may be wanted back.
    tensor = xp2torch(values.copy(), device=parameter.device)
    parameter.data = tensor.reshape(parameter.shape).to(parameter.dtype)


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
