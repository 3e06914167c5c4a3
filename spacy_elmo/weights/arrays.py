"""What every reader returns: options and named arrays, checked against each other."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..bilm.characters import N_IDS
from ..bilm.fields import show
from ..bilm.options import Options, mix_prefix
from ..errors import ElmoError, Errors, Warnings
from ..errors.heard import warn

Shape = tuple[int, ...]
Arrays = dict[str, NDArray[np.floating]]

# Names of arrays that only a language model uses; embedding does without them.
SOFTMAX_PREFIX = "softmax."
_HEAD = f"{SOFTMAX_PREFIX}adaptive.head.weight"
_TAIL = f"{SOFTMAX_PREFIX}adaptive.tail."
# Characters of an array's name in a message. Names in whole models include the paths of their modules.
MOST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The options and arrays of a model.

    options (Options): The network that the arrays belong to.
    arrays (Arrays): Floating-point arrays under the names of `encoder_shapes`, `mix_shapes`, `warm_state_shapes`
        and `softmax_shapes`.
    source (str): The file they were read from, for messages.
    format (str): The name of the file's format.
    """

    options: Options
    arrays: Arrays
    source: str
    format: str

    @property
    def n_parameters(self) -> int:
        """Count the trained parameters of the biLM.

        RETURNS (int): Their number, without the mix, the stored state and the row for "no token".
        """
        total = sum(int(np.prod(shape)) for shape in encoder_shapes(self.options).values())
        return total if self.options.has_own_vocabulary else total - self.options.char_cnn.embedding_dim

    @property
    def has_mix(self) -> bool:
        """Check for a trained scalar mix.

        RETURNS (bool): Whether the weights have one.
        """
        return all(name in self.arrays for name in mix_shapes(self.options))

    @property
    def n_mixes(self) -> int:
        """Count the trained scalar mixes.

        RETURNS (int): Their number.
        """
        return len(all_mix_shapes(self.options, self.arrays)) if self.has_mix else 0

    @property
    def has_softmax(self) -> bool:
        """Check for the softmax of a language model.

        RETURNS (bool): Whether the weights have one.
        """
        return any(name.startswith(SOFTMAX_PREFIX) for name in self.arrays)

    @property
    def has_warm_state(self) -> bool:
        """Check for a stored initial state.

        RETURNS (bool): Whether the weights have one.
        """
        return all(name in self.arrays for name in warm_state_shapes(self.options))


def encoder_shapes(options: Options) -> dict[str, Shape]:
    """List the arrays of the biLM itself.

    Matrices are (outputs, inputs). Gates are in the order input, forget, candidate, output. The forget gate's bias
    includes the 1 that bilm-tf adds when it runs.

    options (Options): The options of the model.
    RETURNS (dict[str, Shape]): The shape of each array by its name.
    """
    cnn, lstm = options.char_cnn, options.lstm
    filters, width, cells = cnn.n_filters, lstm.projection_dim, lstm.dim
    n_rows = cnn.n_characters if options.has_own_vocabulary else N_IDS
    shapes: dict[str, Shape] = {"char_encoder.embedding.weight": (n_rows, cnn.embedding_dim)}
    word_dim = 0
    if options.words is not None:
        word_dim = options.words.embedding_dim
        shapes["char_encoder.word_embedding.weight"] = (options.words.n_words, word_dim)
    for i, (span, number) in enumerate(cnn.filters):
        shapes[f"char_encoder.convolutions.{i}.weight"] = (number, cnn.embedding_dim, span)
        shapes[f"char_encoder.convolutions.{i}.bias"] = (number,)
    for i in range(cnn.n_highway):
        for part in ("transform", "carry"):
            shapes[f"char_encoder.highways.{i}.{part}.weight"] = (filters, filters)
            shapes[f"char_encoder.highways.{i}.{part}.bias"] = (filters,)
    if options.has_char_projection:
        shapes["char_encoder.projection.weight"] = (width, word_dim + filters)
        shapes["char_encoder.projection.bias"] = (width,)
    for stack in ("forward_stack", "backward_stack"):
        for k in range(lstm.n_layers):
            layer = f"{stack}.layers.{k}"
            shapes[f"{layer}.input_linear.weight"] = (4 * cells, width)
            shapes[f"{layer}.input_linear.bias"] = (4 * cells,)
            shapes[f"{layer}.state_linear.weight"] = (4 * cells, width)
            if lstm.has_projection:
                shapes[f"{layer}.projection.weight"] = (width, cells)
    return shapes


def mix_shapes(options: Options, number: int = 0) -> dict[str, Shape]:
    """List the arrays of a trained scalar mix, which a source may have.

    Its weights are those before the softmax, lowest layer first.

    options (Options): The options of the model.
    number (int): The number of the mix; see `mix_prefix`.
    RETURNS (dict[str, Shape]): The shape of each array by its name.
    """
    prefix = mix_prefix(number)
    return {f"{prefix}weights": (options.lstm.n_layers + 1,), f"{prefix}gamma": ()}


def mix_shares(weights: NDArray[np.floating]) -> list[float]:
    """Compute the share of each layer in a scalar mix.

    weights (NDArray): Trained weights of a mix, (n_layers,), before the softmax.
    RETURNS (list[float]): Shares of the layers, in this order; their sum is 1.
    """
    powers = np.exp(weights.astype(np.float64) - weights.max())
    shares: list[float] = (powers / powers.sum()).tolist()
    return shares


def all_mix_shapes(options: Options, names: Collection[str]) -> list[dict[str, Shape]]:
    """List the arrays of all scalar mixes.

    options (Options): The options of the model.
    names (Collection[str]): Names of arrays.
    RETURNS (list[dict[str, Shape]]): One group of arrays for the first mix, and for each further one that is
        among the names.
    """
    groups = [mix_shapes(options)]
    while mix_shapes(options, len(groups)).keys() & set(names):
        groups.append(mix_shapes(options, len(groups)))
    return groups


def warm_state_shapes(options: Options) -> dict[str, Shape]:
    """List the arrays of the warm state, which a source may have.

    Their axes are direction (forward first), layer and width.

    options (Options): The options of the model.
    RETURNS (dict[str, Shape]): The shape of each array by its name.
    """
    lstm = options.lstm
    return {
        "initial_state.hidden": (2, lstm.n_layers, lstm.projection_dim),
        "initial_state.cell": (2, lstm.n_layers, lstm.dim),
    }


def softmax_shapes(options: Options, arrays: Mapping[str, "ArrayInfo"]) -> dict[str, Shape]:
    """List the arrays of a language model's softmax, if any: a full or an adaptive one.

    The options do not give the number of words: such sizes are taken from the arrays.

    options (Options): The options of the model.
    arrays (Mapping[str, ArrayInfo]): The arrays of the source.
    RETURNS (dict[str, Shape]): The shape of each array by its name.
    """
    width = options.lstm.projection_dim
    if _HEAD not in arrays:
        n_words = _n_rows(arrays, f"{SOFTMAX_PREFIX}weight")
        return {f"{SOFTMAX_PREFIX}weight": (n_words, width), f"{SOFTMAX_PREFIX}bias": (n_words,)}
    n_rows = _n_rows(arrays, _HEAD)
    shapes: dict[str, Shape] = {_HEAD: (n_rows, width), _HEAD.replace("weight", "bias"): (n_rows,)}
    for k in range(sum(name.startswith(_TAIL) and name.endswith(".0.weight") for name in arrays)):
        narrow = _n_rows(arrays, f"{_TAIL}{k}.0.weight")
        shapes[f"{_TAIL}{k}.0.weight"] = (narrow, width)
        shapes[f"{_TAIL}{k}.1.weight"] = (_n_rows(arrays, f"{_TAIL}{k}.1.weight"), narrow)
    return shapes


def _n_rows(arrays: Mapping[str, "ArrayInfo"], name: str) -> int:
    # Files of strangers may lack the array, or have a single number in its place.
    array = arrays.get(name)
    return array.shape[0] if array is not None and array.shape else 0


class ArrayInfo(Protocol):
    """The shape and dtype of an array, or of a dataset in a file that has not been read yet."""

    @property
    def shape(self) -> Shape:
        """Get the shape.

        RETURNS (Shape): The shape.
        """

    @property
    def dtype(self) -> "np.dtype[np.generic]":
        """Get the dtype.

        RETURNS (np.dtype): The dtype.
        """


def check_arrays(
    arrays: Mapping[str, ArrayInfo],
    required: Mapping[str, Shape],
    *,
    optional: Sequence[Mapping[str, Shape]] = (),
    path: str,
    options_path: str,
    format: str,
) -> None:
    """Compare the arrays of a file with those that its options call for.

    arrays (Mapping[str, ArrayInfo]): The arrays of the file.
    required (Mapping[str, Shape]): Shapes of arrays that must be there.
    optional (Sequence[Mapping[str, Shape]]): Groups of arrays; each must be complete or absent.
    path (str): The file, for messages.
    options_path (str): The file of the options, for messages.
    format (str): The file's format, for messages.
    RAISES (ElmoError): If an array is missing, unexpected, of another shape or not floating-point.
    """
    expected = dict(required)
    for group in optional:
        if not arrays.keys().isdisjoint(group):
            expected.update(group)
    missing = list(filterfalse(arrays.__contains__, expected))
    if missing:
        found = _some(sorted(arrays)) or "no arrays"
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ElmoError(Errors.EL019.format(
            path=path, format=format, options=options_path, found=found, more=more,
            missing=f"the array '{missing[0]}'",
        ))  # fmt: skip
    for name, array in arrays.items():
        if name not in expected:
            others = len(arrays.keys() - expected.keys()) - 1
            more = f" (with {others} more)" if others else ""
            raise ElmoError(
                Errors.EL022.format(path=path, name=show(name, MOST_NAME), more=more, options=options_path)
            )
        if array.shape != expected[name]:
            raise ElmoError(Errors.EL020.format(
                path=path, name=name, got=array.shape, options=options_path, expected=expected[name]
            ))  # fmt: skip
        if array.dtype.newbyteorder("=") not in (np.float16, np.float32, np.float64):
            raise ElmoError(Errors.EL021.format(path=path, name=name, got=array.dtype))


def warn_if_not_finite(arrays: Mapping[str, NDArray[np.floating]], *, path: str) -> None:
    """Warn if weights are NaN or infinite; published files with such weights exist.

    arrays (Mapping[str, NDArray]): The arrays of the file.
    path (str): The file, for messages.
    """
    bad: dict[str, int] = {}
    for name, array in arrays.items():
        # A sum is a quick screen: it is finite only if every number in it is.
        with np.errstate(all="ignore"):
            suspicious = not np.isfinite(array.sum(dtype=np.float64))
        if suspicious:
            bad[name] = int(np.count_nonzero(~np.isfinite(array)))
    count = sum(bad.values())
    if count:
        total = sum(array.size for array in arrays.values())
        text = Warnings.WL001.format(path=path, count=count, total=total, arrays=_some(list(bad)))
        warn(text)


def _some(names: list[str], most: int = 4) -> str | None:
    # Names come from the file: control characters must not reach the terminal.
    shown = ", ".join(show(name, MOST_NAME) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


class SoftmaxFacts(NamedTuple):
    """The kind and size of a softmax.

    kind (str): "full", or "adaptive", which is PyTorch's.
    n_words (int): The number of words it predicts.
    cutoffs (list[int]): The number of words before the end of the head, and of each cluster but the last; empty
        for a full softmax.
    """

    kind: str
    n_words: int
    cutoffs: list[int]


def softmax_facts(weights: Weights) -> SoftmaxFacts | None:
    """Describe the softmax of a model.

    weights (Weights): The weights of the model.
    RETURNS (SoftmaxFacts | None): Its kind and size; None if the weights have no softmax.
    RAISES (ElmoError): If an adaptive softmax has clusters of an impossible size.
    """
    if not weights.has_softmax:
        return None
    arrays = weights.arrays
    if _HEAD not in arrays:
        return SoftmaxFacts("full", len(arrays[f"{SOFTMAX_PREFIX}weight"]), [])
    n_clusters = sum(name.startswith(_TAIL) and name.endswith(".1.weight") for name in arrays)
    sizes = [len(arrays[f"{_TAIL}{k}.1.weight"]) for k in range(n_clusters)]
    # After its words, the head has a row for each cluster.
    ends = [len(arrays[_HEAD]) - n_clusters]
    if not sizes or min(*ends, *sizes) < 1:
        raise ElmoError(
            Errors.EL093.format(path=weights.source, rows=len(arrays[_HEAD]), sizes=sizes or "no words")
        )
    for size in sizes:
        ends.append(ends[-1] + size)
    return SoftmaxFacts("adaptive", ends[-1], ends[:-1])


def cast_array(array: NDArray[np.floating], dtype: DTypeLike, *, name: str) -> NDArray[np.floating]:
    """Convert an array to another floating-point dtype.

    array (NDArray): The array.
    dtype (DTypeLike): The dtype wanted.
    name (str): The name of the array, for messages.
    RETURNS (NDArray): A contiguous array; the same object if nothing changes.
    RAISES (ElmoError): If a finite number is too large for the dtype.
    """
    with np.errstate(over="ignore", under="ignore"):
        result: NDArray[np.floating] = np.asarray(array, dtype=dtype, order="C")
    beyond = np.isinf(result) & np.isfinite(array)
    if beyond.any():
        worst = float(np.abs(array[beyond]).max())
        most = float(np.finfo(result.dtype).max)
        raise ElmoError(Errors.EL086.format(name=name, got=worst, dtype=np.dtype(dtype).name, most=most))
    return result
