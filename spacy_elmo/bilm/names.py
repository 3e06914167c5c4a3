"""Prefixes of named arrays beside the biLM's own."""

STATE_PREFIX = "initial_state."


def mix_prefix(number: int) -> str:
    """Of a scalar mix. number: 0 for the one behind the layer `elmo`, from 1 up for more that a model was trained
    with."""
    return f"scalar_mix_{number}." if number else "scalar_mix."
