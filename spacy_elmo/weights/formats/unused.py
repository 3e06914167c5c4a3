"""Arrays of a file that the model of its options has no place for: those that AllenNLP passes over."""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from ...bilm.fields import show
from ...bilm.options import Options
from ...errors import Warnings
from ...errors.warn import warn
from ..arrays import MOST_NAME, ArrayInfo

# Parts of the network, by the dump's names: another array of theirs means another network, such as one with
# peepholes, or with one more highway layer.
_NETWORK = re.compile(r"(char_embed|CNN|CNN_high_\d+|CNN_proj|RNN_[01])(/|$)")
# Layers of the LSTMs, by the dump's names and by ours. What is above a layer does not affect it, so that a model
# may be run without its upper layers.
_LAYER = re.compile(r"(?:RNN_[01]/RNN/MultiRNNCell/Cell|(?:forward|backward)_stack\.layers\.)(\d{1,9})[/.]")
# Names in the warning.
_MOST_NAMES = 6


def find_unused_arrays(names: Iterable[str], options: Options) -> set[str]:
    """Find the arrays of bilm-tf's dump that AllenNLP does not read, and that do not affect its outputs.

    It looks up the arrays of the network by their names (allennlp/modules/elmo.py, elmo_lstm.py), and no others.

    names (Iterable[str]): The names of the arrays in the dump.
    options (Options): The options of the model.
    RETURNS (set[str]): Names of LSTM layers above those of the options, and of what is no part of the network.
    """
    return {name for name in names if not _NETWORK.match(name) or is_upper_layer(name, options)}


def find_unused_tensors(tensors: Mapping[str, ArrayInfo], known: Iterable[str], options: Options) -> set[str]:
    """Find the tensors of an ELMo's state_dict that cannot affect its outputs.

    AllenNLP reads no state_dict with unknown names. An unknown tensor of weights may be one of another network.

    tensors (Mapping[str, ArrayInfo]): The tensors, by our names if they have one.
    known (Iterable[str]): Names of the tensors of the model.
    options (Options): The options of the model.
    RETURNS (set[str]): Names of LSTM layers above those of the options, and of unknown tensors of whole numbers,
        such as stored ids.
    """
    unknown = tensors.keys() - set(known)
    return {
        name for name in unknown if is_upper_layer(name, options) or np.issubdtype(tensors[name].dtype, np.integer)
    }


def is_upper_layer(name: str, options: Options) -> bool:
    """Check whether an array belongs to an LSTM layer above those of the options.

    name (str): The name of the array, in the dump or ours.
    options (Options): The options of the model.
    RETURNS (bool): Whether it does.
    """
    layer = _LAYER.match(name)
    return layer is not None and int(layer[1]) >= options.lstm.n_layers


def warn_of_unused(names: Iterable[str], *, path: str) -> None:
    """Name arrays that are not used in a warning, if there are any.

    names (Iterable[str]): Their names.
    path (str): The file, for the warning.
    """
    found = sorted(names)
    if found:
        shown = ", ".join(show(name, MOST_NAME) for name in found[:_MOST_NAMES])
        more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
        warn(Warnings.WL086.format(path=path, names=shown + more), stacklevel=3)
