"""The settings of a model that do not depend on its weights."""

from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from ..bilm.lstm import LSTMState
from ..bilm.options import Options
from ..errors import ElmoError, Errors
from .base import Engine
from .choices import INITIAL_STATES, PRECISION_NAMES, InitialState, PrecisionName
from .factory import make_engine


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a model is run.

    precision (PrecisionName): "fp32"; "bf16" or "int8", which are faster and less exact in the LSTMs, on
        processors that support them; "tf32" or "bf16" on a GPU; or "fp64" for checks. The layers are float32,
        with "fp64" float64; on Docs, they are always float32.
    initial_state (InitialState): "zero"; "warm", the state that is stored with the weights or, if there is none,
        made once from the package's sentences and kept in the user's cache; or "carry".
    max_batch_tokens (int | None): Tokens, with two boundary tokens a sentence, that run through the LSTMs
        together; memory grows with it. A sentence is never split: a longer one runs alone. On the CPU, a
        number bounds all batches in progress. None: 8192 on the CPU, where the next batch starts before one is
        delivered; on a GPU, chosen by the free memory.
    n_threads (int | None): Threads that work at a time, on the CPU, in each process. None: as many as there are
        processors for this process, see `runtime.processors`. A number is taken as it is given.
    RAISES (ElmoError): If a value is not allowed.
    """

    precision: PrecisionName = "fp32"
    initial_state: InitialState = "zero"
    max_batch_tokens: int | None = None
    n_threads: int | None = None

    def __post_init__(self) -> None:
        for what, got, allowed in (
            ("precision", self.precision, PRECISION_NAMES),
            ("initial_state", self.initial_state, INITIAL_STATES),
        ):
            if not isinstance(got, str) or got not in allowed:
                raise ElmoError(Errors.EL030.format(what=what, got=got, allowed=", ".join(allowed)))
        if self.max_batch_tokens is not None:
            check_batch_tokens(self.max_batch_tokens)
        check_threads(self.n_threads)

    def constant_state(self, warm_state: LSTMState | None) -> LSTMState | None:
        """Get the constant initial state of sentences.

        warm_state (LSTMState | None): The warm state of the model.
        RETURNS (LSTMState | None): The state; None for zeros, or a carried state.
        """
        return warm_state if self.initial_state == "warm" else None

    def make_engine(
        self,
        options: Options,
        tensors: dict[str, Tensor],
        *,
        device: torch.device,
        warm_state: LSTMState | None,
    ) -> Engine:
        """Make an engine with these settings; see `factory.make_engine`.

        options (Options): The options of a biLM.
        tensors (dict[str, Tensor]): Its state_dict, on the device; the tensors are removed.
        device (torch.device): The device.
        warm_state (LSTMState | None): The warm state of the model.
        RETURNS (Engine): The engine.
        """
        return make_engine(
            options,
            tensors,
            precision=self.precision,
            device=device,
            initial_state=self.constant_state(warm_state),
            n_threads=self.n_threads,
        )


def check_batch_tokens(tokens: int) -> int:
    """Check the number of tokens of a batch.

    tokens (int): The number.
    RETURNS (int): The same number.
    RAISES (ElmoError): If it is not a positive integer.
    """
    _check_count("max_batch_tokens", tokens)
    return tokens


def check_threads(n_threads: int | None) -> int | None:
    """Check a number of threads.

    n_threads (int | None): The number; None is allowed.
    RETURNS (int | None): The same number.
    RAISES (ElmoError): If it is not a positive integer.
    """
    if n_threads is not None:
        _check_count("n_threads", n_threads)
    return n_threads


def _check_count(name: str, got: object) -> None:
    if isinstance(got, bool) or not isinstance(got, Integral) or got < 1:
        raise ElmoError(Errors.EL038.format(name=name, low=1, got=got))
