"""How a model is run, whatever its weights."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..bilm.lstm import LSTMState
from ..bilm.options import Options
from ..errors import ElmoError, Errors
from .base import Engine
from .factory import PRECISIONS, make_engine

# For type checkers; `choose.PRECISIONS` has what they mean.
PrecisionName = Literal["fp32", "fp64", "tf32", "bf16", "int8"]
InitialState = Literal["zero", "warm", "carry"]
INITIAL_STATES = get_args(InitialState)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a model is run, whatever its weights.

    precision (PrecisionName): "fp32"; "bf16" or "int8", which are faster and less exact in the LSTMs, on
        processors that can; "tf32" or "bf16" on a GPU; or "fp64" to check with. Arrays come out in float32, with
        "fp64" in float64.
    initial_state (InitialState): "zero"; "warm", the state that is stored with the weights or, where there is
        none, is made from the package's sentences once and kept in the user's cache; or "carry".
    max_batch_tokens (int | None): Tokens, with two marks a sentence, that run through the LSTMs together;
        memory grows with it. A sentence is never cut: one that is longer runs by itself. A number bounds all that
        is under way on the CPU. None: 8192 on the CPU, where the next batch is begun before one is delivered, and
        as many as suit the free memory of a GPU.
    n_threads (int | None): Threads that work at a time, on the CPU, in each process. None: as many as there are
        processors for this process, see `runtime.processors`. A number is taken as it is given.
    RAISES (ElmoError): For a value that is not allowed.
    """

    precision: PrecisionName = "fp32"
    initial_state: InitialState = "zero"
    max_batch_tokens: int | None = None
    n_threads: int | None = None

    def __post_init__(self) -> None:
        for what, got, allowed in (
            ("precision", self.precision, tuple(PRECISIONS)),
            ("initial_state", self.initial_state, INITIAL_STATES),
        ):
            if not isinstance(got, str) or got not in allowed:
                raise ElmoError(Errors.EL030.format(what=what, got=got, allowed=", ".join(allowed)))
        if self.max_batch_tokens is not None:
            check_batch_tokens(self.max_batch_tokens)
        check_threads(self.n_threads)

    def constant_state(self, warm_state: LSTMState | None) -> LSTMState | None:
        """The state that every sentence starts from; None: zeros, or what is carried on."""
        return warm_state if self.initial_state == "warm" else None

    def make_engine(
        self,
        options: Options,
        tensors: dict[str, Tensor],
        *,
        device: torch.device,
        warm_state: LSTMState | None,
    ) -> Engine:
        """The engine that runs a model so; see `choose.make_engine`. warm_state: of the model."""
        return make_engine(
            options,
            tensors,
            precision=self.precision,
            device=device,
            initial_state=self.constant_state(warm_state),
            n_threads=self.n_threads,
        )


def check_batch_tokens(tokens: int) -> int:
    """RAISES (ElmoError): If a batch cannot have so many tokens."""
    _check_count("max_batch_tokens", tokens)
    return tokens


def check_threads(n_threads: int | None) -> int | None:
    """RAISES (ElmoError): If so many threads cannot work."""
    if n_threads is not None:
        _check_count("n_threads", n_threads)
    return n_threads


def _check_count(name: str, got: Any) -> None:
    if isinstance(got, bool) or not isinstance(got, Integral) or got < 1:
        raise ElmoError(Errors.EL038.format(name=name, low=1, got=got))
