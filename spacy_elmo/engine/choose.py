"""Which engine runs a model, and how it computes."""

from typing import Dict, NamedTuple, Optional

import torch
from torch import Tensor

from ..bilm.build import build_bilm
from ..bilm.lstm import LSTMState
from ..bilm.options import Options
from ..errors import Errors
from . import features
from .base import Engine
from .fast import FastEngine
from .linear import (
    Int8Linear,
    LinearType,
    PackedBF16Linear,
    PackedFineLinear,
    PackedLinear,
    TorchBF16Linear,
    TorchLinear,
)
from .plain import PlainEngine


class Precision(NamedTuple):
    """dtype: of weights as they are read and of arrays that come out. exact: weights keep every bit."""

    dtype: torch.dtype
    exact: bool


PRECISIONS = {
    "fp32": Precision(torch.float32, True),
    "fp64": Precision(torch.float64, True),
    "bf16": Precision(torch.float32, False),
    "int8": Precision(torch.float32, False),
}


def check_precision(precision: str, device: torch.device) -> None:
    """RAISES: ValueError if the device or the processor cannot compute so."""
    if PRECISIONS[precision].exact:
        return
    if device.type != "cpu":
        raise ValueError(Errors.EL041.format(got=precision, device=device))
    needs = {
        "bf16": (features.has_bf16, "multiplies bfloat16 numbers (AVX512_BF16 or AMX, or BF16 on ARM)"),
        "int8": (features.has_int8, "multiplies 8-bit integers (VNNI or AMX), and a torch that makes use of it"),
    }
    possible, what = needs[precision]
    if not possible():
        raise ValueError(Errors.EL042.format(got=precision, what=what))


def encoder_linear() -> LinearType:
    """How the character encoder's matrix products are computed here, whatever the precision of the LSTMs: it sees
    each word type once, so that exactness costs little."""
    return PackedFineLinear if features.has_packed_linear() else TorchLinear


def lstm_linear(precision: str) -> LinearType:
    """How the LSTMs' matrix products are computed here."""
    packed = features.has_packed_linear()
    if precision == "int8":
        return Int8Linear
    if precision == "bf16":
        return PackedBF16Linear if packed else TorchBF16Linear
    return PackedLinear if packed else TorchLinear


def make_engine(
    options: Options,
    tensors: Dict[str, Tensor],
    *,
    precision: str,
    device: torch.device,
    initial_state: Optional[LSTMState],
) -> Engine:
    """The fast engine on the CPU, the plain one elsewhere and for "fp64".

    tensors: by the names of BiLM's state_dict, on the device; they are taken out.
    initial_state: the constant state that sentences start from, (2, L, width); None: zeros.
    RAISES: ValueError as `check_precision`.
    """
    check_precision(precision, device)
    if device.type != "cpu" or precision == "fp64":
        return PlainEngine(bilm=build_bilm(options, tensors), initial_state=initial_state)
    return FastEngine(
        options=options,
        tensors=tensors,
        encoder_linear=encoder_linear(),
        lstm_linear=lstm_linear(precision),
        initial_state=initial_state,
    )
