"""The choice of an engine, by device and precision, and of how it computes."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..bilm.build import build_bilm
from ..bilm.lstm import LSTMState
from ..bilm.options import Options
from ..errors import ElmoError, Errors
from ..gpu import support
from .base import Engine
from .cpu import features
from .cpu.engine import CpuEngine
from .cpu.linear import LinearType, PackedBF16Linear, PackedFineLinear, PackedLinear, TorchBF16Linear, TorchLinear
from .reference import ReferenceEngine
from .settings import Settings


class Precision(NamedTuple):
    """A precision.

    dtype (torch.dtype): The dtype of weights as they are read, and of the results.
    exact (bool): Whether weights keep every bit; products may be rounded all the same, as with "tf32".
    devices (tuple[str, ...]): The types of device that support it.
    """

    dtype: torch.dtype
    exact: bool
    devices: tuple[str, ...] = ("cpu", "cuda")


PRECISIONS = {
    "fp32": Precision(torch.float32, True),
    "fp64": Precision(torch.float64, True),
    "tf32": Precision(torch.float32, True, ("cuda",)),
    "bf16": Precision(torch.float32, False),
    "int8": Precision(torch.float32, False, ("cpu",)),
}


def check_device(device: str | torch.device) -> torch.device:
    """Check that torch can use a device.

    device (str | torch.device): The device.
    RETURNS (torch.device): The device, with its number.
    RAISES (ElmoError): If torch has no such device, or cannot use it here.
    """
    try:
        named = torch.device(device)
    except (RuntimeError, TypeError, ValueError) as error:
        # Torch's message lists every type of device that it was ever built for.
        raise ElmoError(Errors.EL040.format(device=device, reason="torch has no device of that name")) from error
    try:
        trial = torch.zeros(1, device=named)
        trial.item()
        # With its number: the GPU that "cuda" alone means may change.
        checked = trial.device
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ElmoError(Errors.EL040.format(device=device, reason=reason)) from error
    return checked


def check_precision(precision: str, device: torch.device) -> None:
    """Check that a device supports a precision.

    precision (str): A name in `PRECISIONS`.
    device (torch.device): The device.
    RAISES (ElmoError): If the device, or this processor, does not.
    """
    known = PRECISIONS[precision]
    if device.type not in known.devices and not (known.exact and "cpu" in known.devices):
        raise ElmoError(Errors.EL041.format(got=precision, device=device, devices=" or ".join(known.devices)))
    if device.type == "cuda":
        _check_gpu(precision, device)
    if device.type != "cpu" or known.exact:
        return
    needs: dict[str, tuple[Callable[[], bool], str]] = {
        "bf16": (features.has_bf16, "multiplies bfloat16 numbers (AVX512_BF16 or AMX, or BF16 on ARM)"),
        "int8": (features.has_int8, "multiplies 8-bit integers (VNNI or AMX), and a torch that uses it"),
    }
    possible, what = needs[precision]
    if not possible():
        raise ElmoError(Errors.EL042.format(got=precision, what=what))


def _check_gpu(precision: str, device: torch.device) -> None:
    # The first generation with tensor cores for TF32 and bfloat16 is Ampere, 8.0.
    if precision in ("tf32", "bf16") and torch.cuda.get_device_capability(device) < (8, 0):
        raise ElmoError(Errors.EL042.format(got=precision, what="multiplies TF32 and bfloat16 (Ampere or newer)"))


def choose_encoder_linear() -> LinearType:
    """Choose how the character encoder computes matrix products on this processor. It is exact with any
    precision: it encodes each word type once, so that this costs little.

    RETURNS (LinearType): The class.
    """
    return PackedFineLinear if features.has_packed_linear() else TorchLinear


def choose_lstm_linear(precision: str) -> LinearType:
    """Choose how the LSTMs compute matrix products on this processor.

    precision (str): A name in `PRECISIONS`.
    RETURNS (LinearType): The class.
    """
    if precision == "int8":
        fastest = features.choose_int8_linear()
        # By `check_precision`.
        assert fastest is not None
        return fastest
    linears: dict[str, tuple[LinearType, LinearType]] = {
        "fp32": (PackedLinear, TorchLinear),
        "bf16": (PackedBF16Linear, TorchBF16Linear),
    }
    packed, plain = linears[precision]
    return packed if features.has_packed_linear() else plain


def make_engine(
    options: Options,
    tensors: dict[str, Tensor],
    *,
    settings: Settings,
    device: torch.device,
    warm_state: LSTMState | None,
) -> Engine:
    """Make the engine of a device; the reference engine for "fp64", for other devices, and without kernels.

    options (Options): The options of a biLM.
    tensors (dict[str, Tensor]): Its state_dict, on the device; the tensors are removed.
    settings (Settings): How the model is run; its precision is one that the device supports.
    device (torch.device): The device.
    warm_state (LSTMState | None): The warm state of the model, hidden (2, L, P) and cell (2, L, C), if it has one.
    RETURNS (Engine): The engine.
    """
    precision, initial_state = settings.precision, settings.constant_state(warm_state)
    if device.type == "cuda" and precision != "fp64" and _has_kernels(options, device):
        # Imported here, because Triton is an optional package and takes time to import.
        from .cuda.engine import CudaEngine

        return CudaEngine(
            options=options, tensors=tensors, precision=precision, device=device, initial_state=initial_state
        )
    if device.type != "cpu" or precision == "fp64":
        return ReferenceEngine(
            bilm=build_bilm(options, tensors),
            precision=precision,
            initial_state=initial_state,
            n_threads=settings.n_threads,
        )
    return CpuEngine(
        options=options,
        tensors=tensors,
        encoder_linear=choose_encoder_linear(),
        lstm_linear=choose_lstm_linear(precision),
        initial_state=initial_state,
        n_threads=settings.n_threads,
    )


def _has_kernels(options: Options, device: torch.device) -> bool:
    # Tensor cores multiply tiles of 16 numbers.
    fits = options.lstm.projection_dim % 16 == 0 and options.lstm.dim % 16 == 0
    return fits and support.usable(device)
