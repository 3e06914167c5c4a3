"""Parameter names of AllenNLP's PyTorch biLM, which ELMoForManyLangs uses too, under this package's names."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Arrays of any dtype: `check_arrays` refuses those that are not floating-point.
Tensors = dict[str, NDArray[Any]]

STACKS = {"forward": "forward_stack", "backward": "backward_stack"}
# Parts of an LSTM layer. Gates are in our order: input, forget, candidate, output. The layer adds nothing to its
# bias (allennlp/modules/lstm_cell_with_projection.py).
LSTM_PARTS = {
    "input_linearity.weight": "input_linear.weight",
    "state_linearity.weight": "state_linear.weight",
    "state_linearity.bias": "input_linear.bias",
    "state_projection.weight": "projection.weight",
}


def pop_renamed(names: Mapping[str, str], tensors: Tensors) -> Tensors:
    """Move tensors out of a dict, under other names.

    names (Mapping[str, str]): Their names by our names; some may be missing.
    tensors (Tensors): The tensors, from which those are removed.
    RETURNS (Tensors): The tensors under our names.
    """
    return {ours: tensors.pop(theirs) for ours, theirs in names.items() if theirs in tensors}


def pop_lstm_arrays(tensors: Tensors, *, prefix: str = "") -> Tensors:
    """Move the LSTM layers of both directions out of a dict.

    tensors (Tensors): The tensors, from which those are removed.
    prefix (str): The start of the layers' names.
    RETURNS (Tensors): The tensors under our names.
    """
    out: Tensors = {}
    for direction, stack in STACKS.items():
        for k in _numbers(tensors, f"{prefix}{direction}_layer_"):
            layer = f"{prefix}{direction}_layer_{k}."
            out.update(
                pop_renamed(
                    {f"{stack}.layers.{k}.{ours}": layer + theirs for theirs, ours in LSTM_PARTS.items()}, tensors
                )
            )
    return out


def pop_highway_arrays(tensors: Tensors, *, prefix: str) -> Tensors:
    """Move the highway layers out of a dict.

    Theirs is one matrix: the transformation, then a gate, which is the share of the input that passes unchanged
    (allennlp/modules/highway.py). Our gate is the share that is transformed: 1 - sigmoid(x) is sigmoid(-x), and a
    sign flips without rounding.

    tensors (Tensors): The tensors, from which those are removed.
    prefix (str): The start of the layers' names.
    RETURNS (Tensors): The tensors under our names.
    """
    out: Tensors = {}
    for i in _numbers(tensors, f"{prefix}_layers."):
        for part in ("weight", "bias"):
            both = tensors.pop(f"{prefix}_layers.{i}.{part}", None)
            if both is None or not both.ndim:
                continue
            half = len(both) // 2
            own = f"char_encoder.highways.{i}"
            out[f"{own}.transform.{part}"] = np.ascontiguousarray(both[:half])
            out[f"{own}.carry.{part}"] = np.negative(both[half:])
    return out


def _numbers(tensors: Tensors, prefix: str) -> list[str]:
    """List the numbers that follow a prefix, as they are written."""
    found = (name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix))
    return list(dict.fromkeys(number for number in found if number.isdigit()))
