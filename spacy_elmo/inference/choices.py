"""The values of settings that are chosen by name. Without torch: a wrong command line fails at once."""

from typing import Literal, get_args

# `factory.PRECISIONS` has their properties.
PrecisionName = Literal["fp32", "fp64", "tf32", "bf16", "int8"]
PRECISION_NAMES: tuple[PrecisionName, ...] = get_args(PrecisionName)

InitialState = Literal["zero", "warm", "carry"]
INITIAL_STATES: tuple[InitialState, ...] = get_args(InitialState)
