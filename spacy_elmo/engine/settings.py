"""How a model is run, whatever its weights."""

from dataclasses import dataclass
from numbers import Integral
from typing import Literal, Optional, get_args

from ..errors import Errors
from .choose import PRECISIONS

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
    max_batch_tokens (Optional[int]): Tokens, with two marks a sentence, that run through the LSTMs together;
        memory grows with it. A sentence is never cut: one that is longer runs by itself. None: 8192 on the CPU,
        and as many as suit the free memory of a GPU.
    RAISES (ValueError): For a value that is not allowed.
    """

    precision: PrecisionName = "fp32"
    initial_state: InitialState = "zero"
    max_batch_tokens: Optional[int] = None

    def __post_init__(self) -> None:
        for what, got, allowed in (
            ("precision", self.precision, tuple(PRECISIONS)),
            ("initial_state", self.initial_state, INITIAL_STATES),
        ):
            if not isinstance(got, str) or got not in allowed:
                raise ValueError(Errors.EL030.format(what=what, got=got, allowed=", ".join(allowed)))
        if self.max_batch_tokens is not None:
            check_batch_tokens(self.max_batch_tokens)


def check_batch_tokens(tokens: int) -> int:
    """RAISES: ValueError if a batch cannot have so many tokens."""
    if isinstance(tokens, bool) or not isinstance(tokens, Integral) or tokens < 1:
        raise ValueError(Errors.EL038.format(name="max_batch_tokens", low=1, got=tokens))
    return tokens
