"""Reader of TensorFlow variables: bilm-tf's training checkpoints, TF Hub's module, Spark NLP's model."""

import contextlib
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...bilm.fields import show
from ...bilm.options import Options
from ...errors import ElmoError, ElmoImportError, Errors
from ...util.files import check_readable, reading_error
from ..arrays import ArrayInfo, Weights, check_arrays, mix_shapes, softmax_shapes, warn_if_not_finite
from ..sniff import INDEX
from .dump import CHARACTERS, cell_name, check_dump, convert
from .sizes import infer_dump_options, warn_of_inferred
from .unused import is_upper_layer, warn_of_unused

# The scope of bilm-tf's training graph; published modules have other scopes.
TRAINING_SCOPE = "lm"

# The parts of an LSTM cell, in lower case. TensorFlow 0.12 wrote RNN/MultiRNNCell/Cell0/LSTMCell/W_0, 1.0 and 1.1
# rnn/multi_rnn_cell/cell_0/lstm_cell/weights, later versions .../kernel. The module on TF Hub mixes these, and a
# single layer has no number.
_PARTS = {
    **dict.fromkeys(("w_0", "kernel", "weights"), "W_0"),
    **dict.fromkeys(("b", "bias", "biases"), "B"),
    **dict.fromkeys(("w_p_0", "projection/kernel", "projection/weights"), "W_P_0"),
}
_CELL = re.compile(r"lstm_?cell")
_LAYER = re.compile(r"cell_?(\d+)")
_DIRECTION = re.compile(r"rnn_([01])")
_ENCODER = re.compile(r"CNN/[Wb]_cnn_\d+|CNN_high_\d+/[Wb]_(carry|transform)|CNN_proj/[Wb]_proj")
# Scopes whose variables are part of the biLM, even under an unknown name.
_SCOPES = re.compile(r"(rnn|cnn)\w*/", re.IGNORECASE)

FORMAT = "TensorFlow checkpoint"


class FoundVariables(NamedTuple):
    """Names of variables in a checkpoint.

    bilm (dict[str, str]): Those of the biLM by the dump's names.
    softmax (dict[str, str]): Those of the softmax by "weight" and "bias": both or none.
    mix (dict[str, str]): Those of the scalar mix by "weights" and "gamma": both or none.
    scope (str): The last part of the scope of the biLM's variables.
    """

    bilm: dict[str, str]
    softmax: dict[str, str]
    mix: dict[str, str]
    scope: str


def find_variables(variables: Mapping[str, ArrayInfo], *, path: str) -> FoundVariables:
    """Find the variables of a biLM.

    variables (Mapping[str, ArrayInfo]): The variables of the checkpoint.
    path (str): The checkpoint, for messages.
    RETURNS (FoundVariables): Their names.
    RAISES (ElmoError): If there is no biLM, more than one, or one with parts that bilm-tf does not have.
    """
    # An optimizer's slots have the name of their variable as a prefix.
    names = [name for name in variables if name.rpartition("/")[0] not in variables]
    scopes = [name[: -len(CHARACTERS)] for name in names if name.split("/")[-1] == CHARACTERS]
    if not scopes and f"{TRAINING_SCOPE}/embedding" in names:
        raise ElmoError(
            Errors.EL250.format(path=path, why="it has a variable 'embedding' in place of 'char_embed'")
        )
    if len(scopes) != 1:
        raise ElmoError(
            Errors.EL133.format(
                path=path, n=len(scopes), found=", ".join(map(show, sorted(names)[:4])) or "nothing"
            )
        )
    bilm, softmax = {CHARACTERS: scopes[0] + CHARACTERS}, {}
    for name in names:
        inner = name[len(scopes[0]) :]
        if not name.startswith(scopes[0]):
            continue
        own = _dump_name(inner)
        if own is not None:
            bilm[own] = name
        elif inner in ("softmax/W", "softmax/b"):
            softmax["weight" if inner.endswith("W") else "bias"] = name
        elif _SCOPES.match(inner):
            raise ElmoError(Errors.EL134.format(path=path, name=show(name)))
    scope = scopes[0].strip("/").split("/")[-1]
    return FoundVariables(bilm, softmax if len(softmax) == 2 else {}, _find_mix(names), scope)


def _dump_name(name: str) -> str | None:
    """Translate a variable's name inside the scope to the dump's; None if the dump has no such array."""
    if _ENCODER.fullmatch(name):
        return name
    scope, *inner = name.lower().split("/")
    direction = _DIRECTION.fullmatch(scope)
    cell = next((i for i, part in enumerate(inner) if _CELL.fullmatch(part)), None)
    if direction is None or cell is None:
        return None
    layers = [match[1] for match in map(_LAYER.fullmatch, inner[:cell]) if match]
    part = _PARTS.get("/".join(inner[cell + 1 :]))
    return part and f"{cell_name(int(direction[1]), int(layers[0]) if layers else 0)}/{part}"


def _find_mix(names: list[str]) -> dict[str, str]:
    """Find the weighted sum that TF Hub's module has beside the biLM."""
    parts = {"aggregation/weights": "weights", "aggregation/scaling": "gamma"}
    ends = {name: "/".join(name.split("/")[-2:]) for name in names}
    found = {parts[end]: name for name, end in ends.items() if end in parts}
    return found if len(found) == len(parts) else {}


class Variable(NamedTuple):
    """A variable that has not been read yet.

    shape (tuple[int, ...]): Its shape.
    dtype (np.dtype): Its dtype.
    """

    shape: tuple[int, ...]
    dtype: "np.dtype[np.generic]"


class _DType(Protocol):
    """A dtype of TensorFlow's."""

    @property
    def as_numpy_dtype(self) -> type[np.generic]: ...


class _CheckpointReader(Protocol):
    """What TensorFlow reads a checkpoint with."""

    def get_variable_to_shape_map(self) -> Mapping[str, Sequence[int]]: ...

    def get_variable_to_dtype_map(self) -> Mapping[str, _DType]: ...

    def get_tensor(self, name: str, /) -> ArrayLike: ...


def read(options_path: Path | None, index_path: Path) -> Weights:
    """Read a checkpoint, with a trained mix and with the softmax of a training run.

    options_path (Path | None): The file of the options; None: the arrays determine the sizes, and the rest is as
        in published modules, which have no such file.
    index_path (Path): The .index file; the arrays are in .data files beside it.
    RETURNS (Weights): Options and arrays.
    RAISES (ImportError): If TensorFlow is not installed.
    RAISES (ElmoError): If a file is damaged, is not a biLM, or contradicts the options.
    """
    path = str(index_path)
    for file in [index_path, *data_files(index_path)]:
        check_readable(file)
    options = None if options_path is None else Options.from_file(options_path)
    checkpoint = _open(index_path)
    variables = _describe(checkpoint, index_path)
    found = find_variables(variables, path=path)
    described = {name: variables[own] for name, own in found.bilm.items()}
    options = infer_dump_options(described, path=path) if options is None else options
    options = options.match_projection(described)
    unused = {name for name in described if is_upper_layer(name, options)}
    described = {name: variable for name, variable in described.items() if name not in unused}
    options_name = str(options_path or path)
    check_dump(described, options, path=path, options_path=options_name, format=FORMAT)
    more = _name_others(found)
    others = {name: variables[own] for name, own in more.items()}
    optional = [mix_shapes(options), softmax_shapes(options, others)]
    check_arrays(others, {}, optional=optional, path=path, options_path=options_name, format=FORMAT)
    if options_path is None and found.scope == TRAINING_SCOPE:
        # A published module has no options, and those values.
        warn_of_inferred(options, path=path)
    warn_of_unused(unused, path=path)
    arrays = convert({name: _read(checkpoint, found.bilm[name], index_path) for name in described}, options)
    arrays.update({name: _read(checkpoint, own, index_path) for name, own in more.items()})
    warn_if_not_finite(arrays, path=path)
    return Weights(options=options, arrays=arrays, source=path, format=FORMAT)


def checkpoint_prefix(index_path: Path) -> str:
    """Get the path by which TensorFlow names a checkpoint.

    index_path (Path): The .index file.
    RETURNS (str): Its path without the ending.
    """
    return str(index_path)[: -len(INDEX)]


def data_files(index_path: Path) -> list[Path]:
    """List the files that hold the arrays of a checkpoint.

    index_path (Path): The .index file.
    RETURNS (list[Path]): The .data files beside it.
    """
    prefix = Path(checkpoint_prefix(index_path)).name
    return sorted(path for path in index_path.parent.iterdir() if path.name.startswith(f"{prefix}.data-"))


def _name_others(found: FoundVariables) -> dict[str, str]:
    """Name the variables outside the biLM as we do."""
    named = {f"softmax.{part}": name for part, name in found.softmax.items()}
    return {**named, **{f"scalar_mix.{part}": name for part, name in found.mix.items()}}


def import_tensorflow() -> ModuleType:
    """Import TensorFlow, and Triton before it where both are installed; after it, Triton is left alone.

    RETURNS (ModuleType): TensorFlow.
    RAISES (ImportError): If it is not installed.
    """
    # TensorFlow's wheels show their LLVM to whatever is loaded later. Triton, which torch imports for its first
    # optimizer, then crashes the process: https://github.com/tensorflow/tensorflow/issues/124205
    if "tensorflow" not in sys.modules:
        with contextlib.suppress(Exception):
            import triton  # noqa: F401
    import tensorflow

    module: ModuleType = tensorflow
    return module


def _open(index_path: Path) -> _CheckpointReader:
    try:
        tensorflow = import_tensorflow()
    except ModuleNotFoundError as error:
        raise ElmoImportError(Errors.EL130.format(path=index_path)) from error
    except Exception as error:  # such as a conflict with the version of another package
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ElmoImportError(Errors.EL165.format(path=index_path, reason=reason)) from error
    try:
        reader: _CheckpointReader = tensorflow.train.load_checkpoint(checkpoint_prefix(index_path))
        return reader
    except Exception as error:  # TensorFlow has many error types
        raise _explain(error, index_path) from error


def _describe(checkpoint: _CheckpointReader, index_path: Path) -> dict[str, Variable]:
    """List the variables without reading them.

    RAISES (ElmoError): If the index claims more bytes than its files hold; they are never compressed or shared.
    """
    try:
        shapes, dtypes = checkpoint.get_variable_to_shape_map(), checkpoint.get_variable_to_dtype_map()
        variables = {
            name: Variable(tuple(shape), np.dtype(dtypes[name].as_numpy_dtype)) for name, shape in shapes.items()
        }
    except Exception as error:  # as above
        raise _explain(error, index_path) from error
    numbers = [variable for variable in variables.values() if variable.dtype != object]
    claimed = sum(math.prod(variable.shape) * variable.dtype.itemsize for variable in numbers)
    files = data_files(index_path)
    stored = sum(path.stat().st_size for path in files)
    if claimed > stored:
        names = ", ".join(path.name for path in files) or "no data files"
        raise ElmoError(Errors.EL164.format(path=index_path, claimed=claimed, files=names, stored=stored))
    return variables


def _read(checkpoint: _CheckpointReader, name: str, index_path: Path) -> NDArray[np.floating]:
    try:
        return np.asarray(checkpoint.get_tensor(name))
    except Exception as error:  # as above
        raise _explain(error, index_path) from error


def _explain(error: Exception, index_path: Path) -> Exception:
    refused = reading_error(index_path, error)
    if refused is not None:
        return refused
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ElmoError(Errors.EL023.format(path=index_path, reason=reason))
