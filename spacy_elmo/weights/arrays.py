"""What every reader hands over: options and named arrays, checked against each other."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..bilm.characters import N_IDS
from ..bilm.fields import show
from ..bilm.options import Options, mix_prefix
from ..errors import ElmoError, Errors, Warnings
from ..errors.heard import warn

Shape = tuple[int, ...]
Arrays = dict[str, NDArray[np.floating]]

# What belongs to a language model alone, and is of no use for embedding.
SOFTMAX_PREFIX = "softmax."
# Of an array, in messages: those of whole models have the paths of their modules.
MOST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A model as numbers.

    options: what the arrays mean. arrays: by the names of `encoder_shapes`, `mix_shapes`,
    `warm_state_shapes` and `softmax_shapes`, floating-point. source: the file they were read from, for messages.
    format: of the file.
    """

    options: Options
    arrays: Arrays
    source: str
    format: str

    @property
    def n_parameters(self) -> int:
        """Learnt numbers of the biLM: without the mix, the stored state, and the row for "no token"."""
        total = sum(int(np.prod(shape)) for shape in encoder_shapes(self.options).values())
        return total if self.options.has_own_vocabulary else total - self.options.char_cnn.embedding_dim

    @property
    def has_mix(self) -> bool:
        return all(name in self.arrays for name in mix_shapes(self.options))

    @property
    def n_mixes(self) -> int:
        """Scalar mixes that were trained."""
        return len(all_mix_shapes(self.options, self.arrays)) if self.has_mix else 0

    @property
    def has_softmax(self) -> bool:
        return any(name.startswith(SOFTMAX_PREFIX) for name in self.arrays)

    @property
    def has_warm_state(self) -> bool:
        return all(name in self.arrays for name in warm_state_shapes(self.options))


def encoder_shapes(options: Options) -> dict[str, Shape]:
    """Name and shape of each array of the biLM itself. Matrices are (outputs, inputs); gates are in the order
    input, forget, candidate, output; the forget gate's bias includes the 1 that bilm-tf adds when it runs."""
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
    """A trained scalar mix, where a source has one: weights before the softmax, lowest layer first. number: see
    `mix_prefix`."""
    prefix = mix_prefix(number)
    return {f"{prefix}weights": (options.lstm.n_layers + 1,), f"{prefix}gamma": ()}


def mix_shares(weights: NDArray[Any]) -> list[float]:
    """Compute the share of each layer in a scalar mix.

    weights (NDArray): Trained weights of a mix, (n_layers,), before the softmax.
    RETURNS (list[float]): Shares of the layers, in this order; their sum is 1.
    """
    powers = np.exp(weights.astype(np.float64) - weights.max())
    shares: list[float] = (powers / powers.sum()).tolist()
    return shares


def all_mix_shapes(options: Options, names: Collection[str]) -> list[dict[str, Shape]]:
    """A group for each scalar mix that is among the names, and for the first in any case."""
    groups = [mix_shapes(options)]
    while mix_shapes(options, len(groups)).keys() & set(names):
        groups.append(mix_shapes(options, len(groups)))
    return groups


def warm_state_shapes(options: Options) -> dict[str, Shape]:
    """The warm state, where a source has one: (direction, layer, width), forward first."""
    lstm = options.lstm
    return {
        "initial_state.hidden": (2, lstm.n_layers, lstm.projection_dim),
        "initial_state.cell": (2, lstm.n_layers, lstm.dim),
    }


def softmax_shapes(options: Options, arrays: Mapping[str, "Described"]) -> dict[str, Shape]:
    """The softmax of a language model, where a source has one: the full one, or PyTorch's adaptive one. The
    vocabulary says how many words there are, so that sizes which options do not give are those that were found."""
    width = options.lstm.projection_dim
    found = {name: array.shape for name, array in arrays.items() if name.startswith(SOFTMAX_PREFIX)}
    head = f"{SOFTMAX_PREFIX}adaptive.head.weight"
    if head not in found:
        n_words = (found.get(f"{SOFTMAX_PREFIX}weight") or (0,))[0]
        return {f"{SOFTMAX_PREFIX}weight": (n_words, width), f"{SOFTMAX_PREFIX}bias": (n_words,)}
    shapes: dict[str, Shape] = {head: (found[head][0], width), head.replace("weight", "bias"): (found[head][0],)}
    tail = f"{SOFTMAX_PREFIX}adaptive.tail"
    for k in range(sum(name.startswith(tail) and name.endswith(".0.weight") for name in found)):
        narrow = (found.get(f"{tail}.{k}.0.weight") or (0,))[0]
        shapes[f"{tail}.{k}.0.weight"] = (narrow, width)
        shapes[f"{tail}.{k}.1.weight"] = ((found.get(f"{tail}.{k}.1.weight") or (0,))[0], narrow)
    return shapes


class Described(Protocol):
    """An array, or a dataset in a file that has not been read yet."""

    @property
    def shape(self) -> Shape: ...

    @property
    def dtype(self) -> "np.dtype[Any]": ...


def check_arrays(
    arrays: Mapping[str, Described],
    required: Mapping[str, Shape],
    *,
    optional: Sequence[Mapping[str, Shape]] = (),
    path: str,
    options_path: str,
    format: str,
) -> None:
    """Hold the arrays of a file against what its options call for.

    optional: groups that may be there, each as a whole or not at all.
    RAISES (ElmoError): Naming the first array that is missing, too many, of another shape or not floating-point.
    """
    groups = [required, *(group for group in optional if any(name in arrays for name in group))]
    expected = {name: shape for group in groups for name, shape in group.items()}
    missing = [name for name in expected if name not in arrays]
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
    """Count what is NaN or infinite, and warn. Files with such weights exist; they must not pass in silence."""
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
    # Names are a stranger's: what is not text would reach the terminal.
    shown = ", ".join(show(name, MOST_NAME) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


_HEAD = f"{SOFTMAX_PREFIX}adaptive.head.weight"
_TAIL = f"{SOFTMAX_PREFIX}adaptive.tail."


class SoftmaxFacts(NamedTuple):
    """kind: "full", or "adaptive", which is PyTorch's. n_words: that it predicts. cutoffs: words up to which the
    head and each cluster but the last of an adaptive one go; of a full one none."""

    kind: str
    n_words: int
    cutoffs: list[int]


def softmax_facts(weights: Weights) -> SoftmaxFacts | None:
    """RETURNS: None if the weights have no softmax.

    RAISES (ElmoError): If an adaptive one cannot be.
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


def rounded(array: NDArray[np.floating], dtype: Any, *, name: str) -> NDArray[np.floating]:
    """The array in `dtype`, contiguous; itself if it is so already.

    name: for messages.
    RAISES (ElmoError): If a number is finite, and too large for the dtype.
    """
    with np.errstate(over="ignore", under="ignore"):
        result = np.asarray(array, dtype=dtype, order="C")
    beyond = np.isinf(result) & np.isfinite(array)
    if beyond.any():
        worst = float(np.abs(array[beyond]).max())
        most = float(np.finfo(dtype).max)
        raise ElmoError(Errors.EL086.format(name=name, got=worst, dtype=np.dtype(dtype).name, most=most))
    return result
