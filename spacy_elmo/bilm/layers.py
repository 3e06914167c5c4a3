"""Layer names, what each needs computed, and the arrays of one sentence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import index
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import ElmoAttributeError, ElmoError, ElmoKeyError, ElmoTypeError, Errors, short_repr
from .options import Options

WORD_EMB = "word_emb"
MIXED = "elmo"
ALL = "*"
_LSTM_LAYER = re.compile(r"lstm_outputs([1-9][0-9]*)")

LayerChoice = str | Sequence[str]
LayerName = Literal[
    "word_emb", "lstm_outputs1", "lstm_outputs2", "lstm_outputs3", "lstm_outputs4", "lstm_outputs5",
    "lstm_outputs6", "lstm_outputs7", "lstm_outputs8", "elmo",
]  # fmt: skip
"""The names of layers, for type checkers. A model may have fewer LSTM layers, or more."""
Layers = Literal["*"] | Sequence[LayerName]
# One token, or some of them.
RowIndex = int | slice | Sequence[int] | Sequence[bool] | NDArray[np.integer | np.bool_]
# A layer: (n_tokens, width), or (width,) for one token.
Array = NDArray[np.floating]
# The same by NumPy or, on the GPU, by CuPy.
OpsArray: TypeAlias = Any


def lstm_layer(k: int) -> str:
    """Get the name of an LSTM layer.

    k (int): Its number, from 1 up.
    RETURNS (str): Its name.
    """
    return f"lstm_outputs{k}"


def layer_names(n_layers: int) -> list[str]:
    """List every layer of a model.

    n_layers (int): Its LSTM layers.
    RETURNS (list[str]): The names, lowest first.
    """
    return [WORD_EMB, *(lstm_layer(k + 1) for k in range(n_layers)), MIXED]


def layer_width(name: str, options: Options) -> int:
    """Get the width of a layer: P for word_emb, 2P for the others.

    name (str): The layer.
    options (Options): The options of the model.
    RETURNS (int): The number of columns.
    RAISES (ElmoError): If the model does not have this layer.
    """
    check_layer_exists(name, n_layers=options.lstm.n_layers)
    return options.lstm.projection_dim * (1 if name == WORD_EMB else 2)


def check_layer_name(name: object, *, what: str = "layer") -> str:
    """Check that a name is a layer of some model.

    name (object): What was given as a name.
    what (str): The setting, for the message.
    RETURNS (str): The name.
    RAISES (ElmoError): If no model can have such a layer.
    """
    if isinstance(name, str) and (name in (WORD_EMB, MIXED) or _LSTM_LAYER.fullmatch(name)):
        return name
    allowed = f"{WORD_EMB}, lstm_outputs1, lstm_outputs2 (as many as the model has), {MIXED}"
    raise ElmoError(Errors.EL030.format(what=what, got=name, allowed=allowed))


def check_layer_choice(layers: object) -> LayerChoice:
    """Check the setting `layers`.

    layers (object): "*" or a list of names.
    RETURNS (LayerChoice): The same.
    RAISES (ElmoError): For anything else.
    """
    if isinstance(layers, str) and layers == ALL:
        return ALL
    if isinstance(layers, (str, bytes)) or not isinstance(layers, Sequence):
        raise ElmoError(Errors.EL039.format(got=layers))
    return [check_layer_name(name) for name in layers]


def resolve_layers(layers: LayerChoice, *, n_layers: int) -> list[str]:
    """Get the chosen layers of a model.

    layers (LayerChoice): "*" or names, in any order.
    n_layers (int): LSTM layers of the model.
    RETURNS (list[str]): Lowest first and each once.
    RAISES (ElmoError): If the model does not have one of them.
    """
    try:
        # The same few choices are resolved for every batch.
        return list(_resolve_cached(tuple(layers) if type(layers) is list else layers, n_layers))
    except TypeError:
        # Not hashable, so it cannot be cached.
        pass
    return _resolve(layers, n_layers)


def _resolve(layers: LayerChoice, n_layers: int) -> list[str]:
    names = layer_names(n_layers)
    choice = check_layer_choice(layers)
    if choice == ALL:
        return names
    for name in choice:
        check_layer_exists(name, n_layers=n_layers)
    return [name for name in names if name in choice]


_resolve_cached = lru_cache(maxsize=256)(_resolve)


def check_layer_exists(name: object, *, n_layers: int) -> str:
    """Check that a model has a layer.

    name (object): What was given as a name.
    n_layers (int): LSTM layers of the model.
    RETURNS (str): The name.
    RAISES (ElmoError): If the model does not have this layer.
    """
    names = layer_names(n_layers)
    if not isinstance(name, str) or name not in names:
        raise ElmoError(Errors.EL031.format(got=name, n_layers=n_layers, allowed=", ".join(names)))
    return name


def expand_layers(layers: Sequence[str], *, n_layers: int) -> list[str]:
    """List all layers that are computed along with some: the mix requires all, an LSTM layer those below it.

    layers (Sequence[str]): The layers that are asked for.
    n_layers (int): LSTM layers of the model.
    RETURNS (list[str]): The names, lowest first.
    """
    top = count_lstm_layers(layers, n_layers=n_layers)
    below = [WORD_EMB, *(lstm_layer(k + 1) for k in range(top))] if layers else []
    return [*below, MIXED] if MIXED in layers else below


def count_lstm_layers(layers: Sequence[str], *, n_layers: int) -> int:
    """Count the LSTM layers that must be computed for some layers.

    layers (Sequence[str]): The layers that are asked for.
    n_layers (int): LSTM layers of the model.
    RETURNS (int): The number of LSTM layers, from the lowest.
    """
    needed = [0]
    for name in layers:
        match = _LSTM_LAYER.fullmatch(name)
        if match:
            needed.append(int(match.group(1)))
        elif name == MIXED:
            needed.append(n_layers)
    return max(needed)


class LayerOutputs:
    """The layers of a sentence (or Doc, Span, Token), as attributes (`outputs.word_emb`, `outputs.lstm_outputs1`,
    ..., `outputs.elmo`) or by name (`outputs["elmo"]`).

    `len(outputs)` is the number of tokens; `outputs[0]`, `outputs[1:3]` and `outputs[mask]` are the same layers
    of some tokens. `np.asarray(outputs)` is `outputs.stack()` or, if there is only one layer, that layer.

    arrays (Mapping[str, OpsArray]): (n_tokens, width) by name, lowest layer first; width is P for word_emb and 2P
        for the others.
    n_layers (int): LSTM layers of the model, L.
    rows (tuple[int, int] | None): The first row and the end of this sentence, if several sentences share arrays.
        Arrays are sliced on access, because most layers of most sentences are never accessed.
    RAISES (AttributeError, KeyError): On access, for a layer that was not computed or kept.
    """

    __slots__ = ("_arrays", "_end", "_start", "n_layers")

    if TYPE_CHECKING:
        word_emb: NDArray[np.floating]
        lstm_outputs1: NDArray[np.floating]
        lstm_outputs2: NDArray[np.floating]
        lstm_outputs3: NDArray[np.floating]
        lstm_outputs4: NDArray[np.floating]
        lstm_outputs5: NDArray[np.floating]
        lstm_outputs6: NDArray[np.floating]
        lstm_outputs7: NDArray[np.floating]
        lstm_outputs8: NDArray[np.floating]
        elmo: NDArray[np.floating]

    def __init__(self, arrays: Mapping[str, OpsArray], *, n_layers: int, rows: tuple[int, int] | None = None):
        # Sentences that share arrays share the mapping, too.
        self._arrays: Mapping[str, Array] = dict(arrays) if rows is None else arrays
        self._start: int | None
        self._end: int | None
        self._start, self._end = (None, None) if rows is None else rows
        self.n_layers = n_layers

    if not TYPE_CHECKING:
        # Hidden from type checkers, which would accept misspelt names.

        def __getattr__(self, name: str) -> Array:
            # copy and pickle look up underscored names before __init__ was called.
            if name.startswith("_"):
                raise AttributeError(name)
            if name in self._arrays:
                return self._rows(self._arrays[name])
            raise ElmoAttributeError(self._missing(name))

    def _missing(self, name: object) -> str:
        names = layer_names(self.n_layers)
        if name not in names:
            return Errors.EL031.format(got=name, n_layers=self.n_layers, allowed=", ".join(names))
        return Errors.EL035.format(name=name, kept=", ".join(self._arrays) or "none")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._arrays]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {tuple(array.shape)}" for name, array in self.items())
        return f"LayerOutputs({shapes})"

    def __reduce__(self) -> tuple[object, ...]:
        # Without the rows of other sentences in shared arrays; torch stores all that a view is a part of.
        own = {name: array.clone() if _is_tensor(array) else array for name, array in self.items()}
        return _rebuild, (own, self.n_layers)

    @property
    def names(self) -> list[str]:
        """Names of the layers, lowest first."""
        return list(self._arrays)

    def items(self) -> list[tuple[str, OpsArray]]:
        """List the layers.

        RETURNS (list[tuple[str, OpsArray]]): Name and array of each, lowest first.
        """
        return [(name, self._rows(array)) for name, array in self._arrays.items()]

    def select(self, names: Sequence[str]) -> dict[str, OpsArray]:
        """Get some layers.

        names (Sequence[str]): Their names.
        RETURNS (dict[str, OpsArray]): The arrays in this order.
        RAISES (KeyError): If one of them is missing.
        """
        arrays = self._arrays
        if self._start is None:
            return {name: arrays[name] for name in names}
        rows = slice(self._start, self._end)
        return {name: arrays[name][rows] for name in names}

    def __len__(self) -> int:
        """Get the number of tokens.

        RETURNS (int): The number; 0 without any layer.
        RAISES (TypeError): If these are the layers of one token.
        """
        if self._start is not None and self._end is not None:
            return self._end - self._start
        for array in self._arrays.values():
            if array.ndim < 2:
                raise ElmoTypeError(Errors.EL244)
            return int(array.shape[0])
        return 0

    def __bool__(self) -> bool:
        # Only None is false: the layers of an empty sentence are layers, too.
        return True

    def __iter__(self) -> Iterator["LayerOutputs"]:
        return (self[row] for row in range(len(self)))

    def __contains__(self, name: object) -> bool:
        """Check whether a layer is present.

        name (object): Its name.
        RETURNS (bool): Whether it is.
        """
        return isinstance(name, str) and name in self._arrays

    @overload
    def __getitem__(self, key: str) -> Array: ...

    @overload
    def __getitem__(self, key: RowIndex) -> "LayerOutputs": ...

    def __getitem__(self, key: str | RowIndex) -> "Array | LayerOutputs":
        """Get a layer by its name, or all layers of some tokens.

        key (str | RowIndex): A layer's name; or the number of a token, a slice, or a list or array of
            numbers or of booleans.
        RETURNS (Array | LayerOutputs): The layer's array, or the same layers of these tokens.
        RAISES (KeyError): If the layer is missing.
        RAISES (IndexError): If there is no such token.
        RAISES (TypeError): If these are the layers of one token, or the key is something else.
        """
        if isinstance(key, str):
            if key not in self._arrays:
                raise ElmoKeyError(self._missing(key))
            return self._rows(self._arrays[key])
        len(self)
        rows = _check_rows(key)
        return LayerOutputs({name: array[rows] for name, array in self.items()}, n_layers=self.n_layers)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        # Without it, numpy would make an array of objects, one per token.
        arrays = list(self._arrays.values())
        array = self._rows(arrays[0]) if len(arrays) == 1 else self.stack()
        # Before version 2, numpy has no `copy=None`.
        return np.asarray(array, dtype=dtype) if copy is None else np.array(array, dtype=dtype, copy=copy)

    def mean(self, layer: LayerName = "elmo") -> Array:
        """Average a layer over the tokens, as a vector of the sentence.

        layer (LayerName): The layer's name.
        RETURNS (Array): (width,), of the layer's dtype. Rows of zeros, which whitespace tokens of a Doc have, do
            not count; without other rows, the result is zeros.
        RAISES (KeyError): If the layer is missing.
        """
        array = self[layer]
        if array.ndim < 2:
            return array
        rows: OpsArray = array[array.any(axis=1)]
        # In float32, sums over many tokens would lose digits.
        if _is_tensor(rows):
            exact: Array = (rows.double().sum(axis=0) / max(1, len(rows))).to(rows.dtype)
            return exact
        mean: Array = rows.sum(axis=0, dtype="float64") / max(1, len(rows))
        return mean.astype(array.dtype)

    def _rows(self, array: Array) -> Array:
        return array if self._start is None else array[self._start : self._end]

    def stack(self) -> Array:
        """Stack all layers but the mix into one array.

        RETURNS (Array): (L + 1, n_tokens, 2P), of the layers' dtype; layer 0 is word_emb twice, side by side.
        RAISES (ElmoError): If a layer is missing.
        """
        wanted = [name for name in layer_names(self.n_layers) if name != MIXED]
        if not all(name in self._arrays for name in wanted):
            raise ElmoError(Errors.EL036.format(kept=", ".join(self._arrays) or "none"))
        return stack_layers([getattr(self, name) for name in wanted])


def _check_rows(key: object) -> RowIndex:
    """Check the choice of rows: numpy accepts more, with other meanings.

    RAISES (TypeError): If it is not a number, a slice, or a list or array of numbers or of booleans.
    """
    if isinstance(key, slice):
        return key
    try:
        rows: Any = np.asarray(key, dtype=None if key else np.int64) if isinstance(key, list) else key
        if getattr(rows, "ndim", None) == 1 and getattr(rows.dtype, "kind", "") in tuple("iub"):
            return rows  # type: ignore[no-any-return]
        if not isinstance(key, (bool, np.bool_)):
            return index(rows)
    except (TypeError, ValueError):
        pass
    raise ElmoTypeError(Errors.EL243.format(got=short_repr(key)))


def _rebuild(arrays: dict[str, Array], n_layers: int) -> LayerOutputs:
    return LayerOutputs(arrays, n_layers=n_layers)


def stack_layers(arrays: Sequence[Array], *, width: int | None = None) -> Array:
    """Stack layers; word_emb, which is half as wide as the others, is put twice side by side.

    arrays (Sequence[Array]): (n_tokens, P) or (n_tokens, 2P).
    width (int | None): 2P; None: the largest width of the arrays.
    RETURNS (Array): (n_layers, n_tokens, 2P).
    """
    widest = max(array.shape[-1] for array in arrays) if width is None else width
    if _is_tensor(arrays[0]):
        import torch

        tensors: OpsArray = arrays
        stacked: OpsArray = torch.stack(
            [t if t.shape[-1] == widest else torch.cat([t, t], dim=-1) for t in tensors]
        )
        return cast(Array, stacked)
    return np.stack([a if a.shape[-1] == widest else np.concatenate([a, a], axis=-1) for a in arrays])


def _is_tensor(array: OpsArray) -> bool:
    """Check whether an array is a tensor of torch, without the time to import torch."""
    return hasattr(array, "new_empty")
