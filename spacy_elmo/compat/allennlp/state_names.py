"""Names in a state_dict: AllenNLP's on the outside, so that its checkpoints are read and written; ours inside."""

import re

import torch
from torch import Tensor

from ...bilm.options import Options
from ...weights.arrays import encoder_shapes
from ...weights.formats.allennlp import BILM, CHARACTERS, ENCODER, name_bilm_arrays
from ...weights.formats.torch_names import LSTM_PARTS, STACKS

# Where the parameters of an `_ElmoBiLm` are.
OURS = "_module.bilm."
# Vectors of `vocab_to_cache`, which follow from the other parameters.
_CACHED = "_word_embedding.weight"
_HIGHWAY = re.compile(r"char_encoder\.highways\.(\d+)\.(transform|carry)\.(weight|bias)")
_CONVOLUTION = re.compile(r"char_encoder\.convolutions\.(\d+)\.(weight|bias)")
_LAYER = re.compile(r"(forward|backward)_stack\.layers\.(\d+)\.(.+)")


def name_as_allennlp(state: dict[str, Tensor], *, prefix: str, options: Options) -> None:
    """Rename the parameters of a biLM, in place, to AllenNLP's names, and join those that are one there.

    state (dict[str, Tensor]): A state_dict.
    prefix (str): The start of the names of the biLM's parameters.
    options (Options): Its options. Models that AllenNLP cannot have are left unchanged.
    """
    if options.has_own_vocabulary:
        return
    for name in encoder_shapes(options):
        tensor = state.pop(f"{prefix}{OURS}{name}", None)
        if tensor is None:
            continue
        highway = _HIGHWAY.fullmatch(name)
        if highway is None:
            state[prefix + _get_name(name)] = tensor
        elif highway[2] == "transform":
            other = state.pop(f"{prefix}{OURS}{name.replace('transform', 'carry')}")
            # Their gate is the share that passes unchanged; see `torch_names.pop_highway_arrays`.
            state[f"{prefix}{ENCODER}_highways._layers.{highway[1]}.{highway[3]}"] = torch.cat([tensor, -other])


def name_as_module(state: dict[str, Tensor], *, prefix: str, options: Options) -> None:
    """Rename the parameters of a biLM, in place, from AllenNLP's names.

    state (dict[str, Tensor]): A state_dict.
    prefix (str): The start of the names of the biLM's parameters.
    options (Options): Its options.
    """
    state.pop(prefix + _CACHED, None)
    theirs = (f"{prefix}{ENCODER}", f"{prefix}{BILM}")
    if f"{prefix}{CHARACTERS}" not in state or options.has_own_vocabulary:
        return
    own = {name: state.pop(name).detach().cpu().numpy() for name in list(state) if name.startswith(theirs)}
    for name, array in name_bilm_arrays(own, prefix).items():
        # What has no name of ours keeps its own, and is reported by torch.
        state[name if name.startswith(theirs) else f"{prefix}{OURS}{name}"] = torch.from_numpy(array)


def _get_name(name: str) -> str:
    """Get AllenNLP's name of a parameter, other than a highway's."""
    if convolution := _CONVOLUTION.fullmatch(name):
        return f"{ENCODER}char_conv_{convolution[1]}.{convolution[2]}"
    if layer := _LAYER.fullmatch(name):
        part = {ours: theirs for theirs, ours in LSTM_PARTS.items()}[layer[3]]
        direction = {stack: direction for direction, stack in STACKS.items()}[f"{layer[1]}_stack"]
        return f"{BILM}{direction}_layer_{layer[2]}.{part}"
    if name == "char_encoder.embedding.weight":
        return CHARACTERS
    return f"{ENCODER}_projection.{name.rpartition('.')[2]}"
