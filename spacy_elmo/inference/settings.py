"""The settings of a model that do not depend on its weights. Without torch: a wrong command line fails at once."""

from dataclasses import dataclass
from numbers import Integral
from typing import Literal, TypeVar, get_args

from ..errors import ElmoError, Errors

T = TypeVar("T")

# `factory.PRECISIONS` has their properties.
PrecisionName = Literal["fp32", "fp64", "tf32", "bf16", "int8"]
"""The precisions of a model, see `Settings`."""
PRECISION_NAMES: tuple[PrecisionName, ...] = get_args(PrecisionName)

InitialState = Literal["zero", "warm", "carry"]
"""The state of the LSTMs at the start of a sentence, see `Settings`."""
INITIAL_STATES: tuple[InitialState, ...] = get_args(InitialState)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a model is run.

    precision (PrecisionName): "fp32"; "bf16" or "int8", which are faster and less exact in the LSTMs, on
        processors that support them; "tf32" or "bf16" on a GPU; or "fp64" for checks. The layers are float32,
        with "fp64" float64; on Docs, they are always float32.
    initial_state (InitialState): The state of the LSTMs at the start of a sentence. "zero"; "warm", a constant
        state that is stored with the weights or, for a published model of English prose without one, computed once
        from the package's sentences and kept in the user's cache; or "carry", the final state of the batch before,
        by which vectors depend on the order of the input.
    max_batch_tokens (int | None): Tokens, with two boundary tokens a sentence, that run through the LSTMs
        together; memory grows with it. A sentence is never split: a longer one runs alone. On the CPU, a
        number bounds all batches in progress. None: 8192 on the CPU, where the next batch starts before one is
        delivered; on a GPU, chosen by the free memory.
    n_threads (int | None): Threads that work at a time, on the CPU, in each process. None: the number of
        processors available to the process, as the system, its container and torch limit it. A number is taken as
        it is given.
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
        check_count("max_batch_tokens", self.max_batch_tokens)
        check_count("n_threads", self.n_threads)

    def constant_state(self, warm_state: T) -> T | None:
        """Get the constant initial state of sentences.

        warm_state (T): The warm state of the model.
        RETURNS (T | None): The state; None for zeros, or a carried state.
        """
        return warm_state if self.initial_state == "warm" else None


def check_count(name: str, got: object) -> None:
    """Check a number of tokens or threads.

    name (str): The setting, for the message.
    got (object): The number; None is allowed.
    RAISES (ElmoError): If it is not a positive integer.
    """
    if got is not None and (isinstance(got, bool) or not isinstance(got, Integral) or got < 1):
        raise ElmoError(Errors.EL038.format(name=name, low=1, got=got))
