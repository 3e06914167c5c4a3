"""A torch module as Thinc trains and saves it: optimizer steps, averaged parameters, copies, bytes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, TypeVar, cast

import numpy as np
import torch
from thinc import compat
from thinc.api import Optimizer, PyTorchShim, get_array_module, torch2xp, xp2torch
from thinc.backends import get_array_ops
from thinc.shims import Shim
from thinc.types import Floats1d, FloatsXd
from torch import nn

from ..errors import ElmoError, Errors
from ..runtime.isolation import computation, isolate
from ..runtime.workers import Workers

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def state_to_bytes(module: nn.Module) -> bytes:
    """Save a module's parameters for Thinc's serialisation.

    module (nn.Module): The module.
    RETURNS (bytes): Its state, without code.
    """
    data = BytesIO()
    torch.save(module.state_dict(), data)
    return data.getvalue()


@computation()
def state_from_bytes(module: nn.Module, data: bytes, device: torch.device) -> nn.Module:
    """Load parameters that `state_to_bytes` has saved. No code in the data is run.

    module (nn.Module): A module with arrays of the same names and shapes.
    data (bytes): The state.
    device (torch.device): Where the parameters are put.
    RETURNS (nn.Module): The module itself.
    RAISES (ElmoError): If a name or a shape differs.
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
    """A shim that differs from Thinc's in three points.

    The optimizer's averages reach the parameters: in Thinc 8.3 they do not, because the shim looks them up by
    other keys than its optimizer uses. A copy is trained separately. What is saved has arrays and no code.

    module (nn.Module): The module.
    serialize_model (Callable): Saves it.
    deserialize_model (Callable): Loads what was saved.
    """

    def __init__(
        self,
        module: ModuleT,
        *,
        serialize_model: Callable[[ModuleT], bytes] = state_to_bytes,
        deserialize_model: Callable[[ModuleT, bytes, torch.device], nn.Module] = state_from_bytes,
    ):
        with isolate():
            super().__init__(module, serialize_model=serialize_model, deserialize_model=deserialize_model)

    @property
    def module(self) -> nn.Module:
        return cast(nn.Module, self._model)

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter, float]]:
        """List the parameters that are trained.

        YIELDS (tuple[str, nn.Parameter, float]): Name, parameter and factor of the learning rate of each.
        """
        for name, parameter in self.module.named_parameters():
            yield name, parameter, 1.0

    def mark_changed(self) -> None:
        """Note that parameters were changed."""

    @property
    def has_gradient(self) -> bool:
        """Whether a parameter has a gradient."""
        return any(parameter.grad is not None for _, parameter, _ in self.trained_parameters())

    def copy(self) -> "TorchShim":
        made: TorchShim = super().copy()
        # Optimizers find their state by the shim's number.
        Shim.global_id += 1
        made.id = Shim.global_id
        return made

    @computation()
    def finish_update(self, optimizer: Optimizer) -> None:
        for name, parameter, factor in self.trained_parameters():
            if parameter.grad is None:
                continue
            if factor != 1 and not isinstance(optimizer, Optimizer):
                # The function that `nlp.rehearse` passes takes no learning rate: without it, the step would be too
                # long.
                parameter.grad = None
                continue
            values, gradient = to_steps(parameter.data), to_steps(parameter.grad)
            scale = {} if factor == 1 else {"lr_scale": factor}
            found, _ = optimizer((self.id, name), values, gradient, **scale)
            # The step was not in place in float64, on a GPU without CuPy, and with `nlp.rehearse`, which steps
            # later.
            if found is not values or not is_same_memory(values, parameter):
                _put(parameter, found)
            parameter.grad = None
            self.mark_changed()

    @contextmanager
    def use_params(self, params: dict[tuple[int, str], FloatsXd]) -> Iterator[None]:
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


def to_steps(tensor: torch.Tensor) -> Floats1d:
    """Convert a tensor to an array for Thinc's optimizers, which need one axis at least.

    tensor (torch.Tensor): A parameter or its gradient.
    RETURNS (Floats1d): (n,), float32, over the tensor's memory where possible.
    """
    tensor = tensor.detach().reshape(-1)
    # Where CuPy does not compute on the tensor's GPU, steps are taken on the CPU.
    array = torch2xp(tensor) if not tensor.is_cuda or _has_cupy(tensor.device) else tensor.cpu().numpy()
    return cast(Floats1d, get_array_ops(array).asarray1f(array))


def is_same_memory(array: Any, tensor: torch.Tensor) -> bool:
    """Check whether an array and a tensor begin at the same address.

    array (Floats1d): As from `to_steps`.
    tensor (torch.Tensor): The tensor.
    RETURNS (bool): Whether a change of the array changes the tensor.
    """
    pointer = array.ctypes.data if get_array_module(array) is np else array.data.ptr
    return bool(pointer == tensor.data_ptr())


def _has_cupy(device: torch.device) -> bool:
    if not compat.has_cupy_gpu:
        return False
    import cupy

    return bool(cupy.cuda.Device().id == device.index)


def _put(parameter: torch.nn.Parameter, values: FloatsXd) -> None:
    # Not in place: the tensor that was there may be put back.
    tensor = xp2torch(values.copy(), device=parameter.device)
    parameter.data = tensor.reshape(parameter.shape).to(parameter.dtype)


@computation()
def are_finite(tensors: Sequence[torch.Tensor], *, n_threads: int | None = None) -> bool:
    """Check tensors for NaN and infinite numbers.

    tensors (Sequence[torch.Tensor]): The tensors.
    n_threads (int | None): See `Settings`.
    RETURNS (bool): Whether all numbers are finite.
    """
    full = [tensor for tensor in tensors if tensor.numel()]
    # Extremes cannot overflow, as a sum can, and torch finds them many times faster than the largest absolute
    # value.
    if all(tensor.device.type == "cpu" for tensor in full):
        extremes = Workers(n_threads).map(torch.aminmax, full)
    else:
        extremes = [torch.aminmax(tensor) for tensor in full]
    return not full or bool(torch.stack([number for both in extremes for number in both]).isfinite().all())
