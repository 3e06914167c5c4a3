"""TensorFlow's variables: bilm-tf's training checkpoints, TF Hub's module, Spark NLP's models."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...bilm.options import Options
from ...errors import Errors
from ...util.files import check_readable, reading_error
from ..arrays import Weights, check_arrays, mix_shapes, softmax_shapes, warn_if_not_finite
from ..folders import INDEX
from .dump import check_dump, convert
from .variables import TRAINING_SCOPE, Found, find_variables, options_of_shapes

FORMAT = "TensorFlow checkpoint"


class Variable(NamedTuple):
    """One that has not been read yet."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"


def read(options_path: Path | None, index_path: Path) -> Weights:
    """Weights of a checkpoint, given its .index file; the numbers are in .data files beside it. A trained mix
    comes with them, and the softmax of a training run.

    options_path: None: a published module, whose sizes its arrays tell.
    RAISES: ImportError without TensorFlow; ValueError if the files are damaged, no biLM, or contradict the
        options; FileNotFoundError if those of a training run are missing.
    """
    path = str(index_path)
    for file in [index_path, *data_files(index_path)]:
        check_readable(file)
    options = None if options_path is None else Options.from_file(options_path)
    checkpoint = _open(index_path)
    variables = _describe(checkpoint, index_path)
    found = find_variables(variables, path=path)
    described = {name: variables[own] for name, own in found.bilm.items()}
    if options is None:
        if found.scope == TRAINING_SCOPE:
            raise FileNotFoundError(Errors.EL015.format(path=path, tried="options.json"))
        options = options_of_shapes(described, path=path)
    options = options.match_projection(described)
    options_name = str(options_path or path)
    check_dump(described, options, path=path, options_path=options_name, format=FORMAT)
    more = _more(found)
    others = {name: variables[own] for name, own in more.items()}
    optional = [mix_shapes(options), softmax_shapes(options, others)]
    check_arrays(others, {}, optional=optional, path=path, options_path=options_name, format=FORMAT)
    arrays = convert({name: _read(checkpoint, own, index_path) for name, own in found.bilm.items()}, options)
    arrays.update({name: _read(checkpoint, own, index_path) for name, own in more.items()})
    warn_if_not_finite(arrays, path=path)
    return Weights(options=options, arrays=arrays, source=path, format=FORMAT)


def prefix_of(index_path: Path) -> str:
    """What TensorFlow calls the checkpoint: the path without its ending."""
    return str(index_path)[: -len(INDEX)]


def data_files(index_path: Path) -> list[Path]:
    """The files that hold a checkpoint's numbers."""
    prefix = Path(prefix_of(index_path)).name
    return sorted(path for path in index_path.parent.iterdir() if path.name.startswith(f"{prefix}.data-"))


def _more(found: Found) -> dict[str, str]:
    """Variables besides the biLM's, by our names."""
    named = {f"softmax.{part}": name for part, name in found.softmax.items()}
    return {**named, **{f"scalar_mix.{part}": name for part, name in found.mix.items()}}


def _open(index_path: Path) -> Any:
    try:
        import tensorflow
    except ModuleNotFoundError as error:
        raise ImportError(Errors.EL130.format(path=index_path)) from error
    except Exception as error:  # as where another package's version does not suit it
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ImportError(Errors.EL165.format(path=index_path, reason=reason)) from error
    try:
        return tensorflow.train.load_checkpoint(prefix_of(index_path))
    except Exception as error:  # TensorFlow has many of its own
        raise _damaged(error, index_path) from error


def _describe(checkpoint: Any, index_path: Path) -> dict[str, Variable]:
    """What is there, without reading it.

    RAISES: ValueError if the index claims more than its files hold, which have each number once, as it is.
    """
    try:
        shapes, dtypes = checkpoint.get_variable_to_shape_map(), checkpoint.get_variable_to_dtype_map()
        variables = {
            name: Variable(tuple(shape), np.dtype(dtypes[name].as_numpy_dtype)) for name, shape in shapes.items()
        }
    except Exception as error:  # as above
        raise _damaged(error, index_path) from error
    numbers = [variable for variable in variables.values() if variable.dtype != object]
    claimed = sum(math.prod(variable.shape) * variable.dtype.itemsize for variable in numbers)
    files = data_files(index_path)
    stored = sum(path.stat().st_size for path in files)
    if claimed > stored:
        names = ", ".join(path.name for path in files) or "no data files"
        raise ValueError(Errors.EL164.format(path=index_path, claimed=claimed, files=names, stored=stored))
    return variables


def _read(checkpoint: Any, name: str, index_path: Path) -> NDArray[Any]:
    try:
        return np.asarray(checkpoint.get_tensor(name))
    except Exception as error:  # as above
        raise _damaged(error, index_path) from error


def _damaged(error: Exception, index_path: Path) -> Exception:
    refused = reading_error(index_path, error)
    if refused is not None:
        return refused
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ValueError(Errors.EL023.format(path=index_path, reason=reason))
