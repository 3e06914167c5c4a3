"""Layer names, what each needs computed, and the arrays of one sentence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import index
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    overload,
)

import numpy as np
from numpy.typing import NDArray

from ..errors import ElmoAttributeError, ElmoError, ElmoKeyError, ElmoTypeError, Errors, short_repr
from .options import Options

WORD_EMB = "word_emb"
MIXED = "elmo"
ALL = "*"
_LSTM_LAYER = re.compile(r"lstm_outputs([1-9][0-9]*)")

LayerChoice = str | Sequence[str]
# For type checkers, which cannot count: a model may have more LSTM layers than these.
LayerName = Literal[
    "word_emb", "lstm_outputs1", "lstm_outputs2", "lstm_outputs3", "lstm_outputs4", "lstm_outputs5",
    "lstm_outputs6", "lstm_outputs7", "lstm_outputs8", "elmo",
]  # fmt: skip
Layers = Literal["*"] | Sequence[LayerName]
# One token, or some of them.
RowIndex = int | slice | Sequence[int] | Sequence[bool] | NDArray[Any]


def lstm_layer(k: int) -> str:
    """Name of LSTM layer k, from 1 up."""
    return f"lstm_outputs{k}"


def layer_names(n_layers: int) -> list[str]:
    """List every layer of a model.

    n_layers (int): Its LSTM layers.
    RETURNS (list[str]): The names, lowest first.
    """
    return [WORD_EMB, *(lstm_layer(k + 1) for k in range(n_layers)), MIXED]


def layer_width(name: str, options: Options) -> int:
    """Columns of a layer: P for word_emb, 2P for the others.

    RAISES (ElmoError): If the model does not have it.
    """
    check_layer_exists(name, n_layers=options.lstm.n_layers)
    return options.lstm.projection_dim * (1 if name == WORD_EMB else 2)


def check_layer_name(name: Any, *, what: str = "layer") -> str:
    """RAISES (ElmoError): If this can be no layer of any model."""
    if isinstance(name, str) and (name in (WORD_EMB, MIXED) or _LSTM_LAYER.fullmatch(name)):
        return name
    allowed = f"{WORD_EMB}, lstm_outputs1, lstm_outputs2 (as many as the model has), {MIXED}"
    raise ElmoError(Errors.EL030.format(what=what, got=name, allowed=allowed))


def check_layer_choice(layers: Any) -> LayerChoice:
    """`layers` as users write it: "*" or a list of names.

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
        # Few choices are made, and each for many batches.
        return list(_resolve_cached(tuple(layers) if type(layers) is list else layers, n_layers))
    except TypeError:
        # It cannot be a key.
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


def check_layer_exists(name: Any, *, n_layers: int) -> str:
    """RAISES (ElmoError): If a model with n_layers LSTM layers does not have this layer."""
    names = layer_names(n_layers)
    if not isinstance(name, str) or name not in names:
        raise ElmoError(Errors.EL031.format(got=name, n_layers=n_layers, allowed=", ".join(names)))
    return name


def computed_layers(layers: Sequence[str], *, n_layers: int) -> list[str]:
    """Every layer that exists once these are computed, lowest first: the mix needs all of them, an LSTM layer
    those below it."""
    top = n_lstm_layers(layers, n_layers=n_layers)
    below = [WORD_EMB, *(lstm_layer(k + 1) for k in range(top))] if layers else []
    return [*below, MIXED] if MIXED in layers else below


def n_lstm_layers(layers: Sequence[str], *, n_layers: int) -> int:
    """How many LSTM layers must run for these layers."""
    needed = [0]
    for name in layers:
        match = _LSTM_LAYER.fullmatch(name)
        if match:
            needed.append(int(match.group(1)))
        elif name == MIXED:
            needed.append(n_layers)
    return max(needed)


class LayerOutputs:
    """The layers of one sentence (or Doc, Span, Token), each an attribute: `outputs.word_emb`,
    `outputs.lstm_outputs1`, ..., `outputs.elmo`, or by its name: `outputs["elmo"]`.

    `len(outputs)` is the number of tokens; `outputs[0]`, `outputs[1:3]` and `outputs[mask]` have the same layers
    of some of them. `np.asarray(outputs)` is `outputs.stack()` or, where there is one layer only, that layer.

    arrays (Mapping[str, Any]): Name -> (n_tokens, width), lowest layer first; width is P for word_emb and 2P for
        the others.
    n_layers (int): LSTM layers of the model, L.
    rows (tuple[int, int] | None): First row and end of this sentence, where several share arrays. They are cut
        when they are asked for: many sentences come at once, and each is asked for little.
    RAISES (AttributeError, KeyError): On access, for a layer that was not asked for.
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

    def __init__(self, arrays: Mapping[str, Any], *, n_layers: int, rows: tuple[int, int] | None = None):
        # What is shared is not copied for each of those who share it.
        self._arrays: Mapping[str, Any] = dict(arrays) if rows is None else arrays
        self._start: int | None
        self._end: int | None
        self._start, self._end = (None, None) if rows is None else rows
        self.n_layers = n_layers

    if not TYPE_CHECKING:
        # Type checkers would take a misspelt name for a layer.

        def __getattr__(self, name: str) -> Any:
            # Underscored look-ups come from copy and pickle, before there are any arrays.
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

    def __reduce__(self) -> tuple[Any, ...]:
        # Not with what other sentences have in the same arrays.
        return _rebuild, (dict(self.items()), self.n_layers)

    @property
    def names(self) -> list[str]:
        """The layers that are here, lowest first."""
        return list(self._arrays)

    def items(self) -> list[tuple[str, Any]]:
        """(name, array) of each layer that is here, lowest first."""
        return [(name, self._rows(array)) for name, array in self._arrays.items()]

    def chosen(self, names: Sequence[str]) -> dict[str, Any]:
        """Arrays of some layers, in this order.

        RAISES (KeyError): If one is not here.
        """
        arrays = self._arrays
        if self._start is None:
            return {name: arrays[name] for name in names}
        rows = slice(self._start, self._end)
        return {name: arrays[name][rows] for name in names}

    def __len__(self) -> int:
        """Number of tokens; 0 where no layer was asked for.

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
        # None alone says that there are no layers: an empty sentence has layers, too.
        return True

    def __iter__(self) -> Iterator["LayerOutputs"]:
        return (self[row] for row in range(len(self)))

    def __contains__(self, name: object) -> bool:
        """Whether a layer is here."""
        return isinstance(name, str) and name in self._arrays

    @overload
    def __getitem__(self, key: str) -> NDArray[np.floating]: ...

    @overload
    def __getitem__(self, key: RowIndex) -> "LayerOutputs": ...

    def __getitem__(self, key: str | RowIndex) -> "NDArray[np.floating] | LayerOutputs":
        """A layer by its name, or all layers of some tokens.

        key (str | RowIndex): A layer's name; or the number of a token, a slice, or a list or array of
            numbers or of booleans.
        RETURNS (NDArray | LayerOutputs): The layer's array, or the same layers of these tokens.
        RAISES (KeyError): If the layer is not here.
        RAISES (IndexError): If there is no such token.
        RAISES (TypeError): If these are the layers of one token, or the key is something else.
        """
        if isinstance(key, str):
            if key not in self._arrays:
                raise ElmoKeyError(self._missing(key))
            layer: NDArray[np.floating] = self._rows(self._arrays[key])
            return layer
        len(self)
        rows = _check_rows(key)
        return LayerOutputs({name: array[rows] for name, array in self.items()}, n_layers=self.n_layers)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        # Numpy would take them for a sequence of tokens, and make an array of objects.
        arrays = list(self._arrays.values())
        array = self._rows(arrays[0]) if len(arrays) == 1 else self.stack()
        return np.array(array, dtype=dtype, copy=copy)

    def mean(self, layer: LayerName = "elmo") -> NDArray[np.floating]:
        """Average a layer over the tokens: a vector of the sentence.

        layer (LayerName): The layer's name.
        RETURNS (NDArray): (width,), of the layer's dtype. Rows of zeros, which whitespace tokens of a Doc have, do
            not count; without other rows, it is zeros.
        RAISES (KeyError): If the layer is not here.
        """
        array: Any = self[layer]
        if array.ndim < 2:
            return array  # type: ignore[no-any-return]
        rows = array[array.any(axis=1)]
        # Sums over all tokens: in float32 they would lose digits.
        total = rows.sum(axis=0, dtype="float64") / max(1, len(rows))
        return total.astype(array.dtype)  # type: ignore[no-any-return]

    def _rows(self, array: Any) -> Any:
        return array if self._start is None else array[self._start : self._end]

    def stack(self) -> NDArray[Any]:
        """All layers but the mix as one array.

        RETURNS: (L + 1, n_tokens, 2P), of the layers' dtype; layer 0 is word_emb twice, side by side.
        RAISES (ElmoError): If a layer is missing.
        """
        wanted = [name for name in layer_names(self.n_layers) if name != MIXED]
        if not all(name in self._arrays for name in wanted):
            raise ElmoError(Errors.EL036.format(kept=", ".join(self._arrays) or "none"))
        return stack_layers([getattr(self, name) for name in wanted])


def _check_rows(key: Any) -> Any:
    """RAISES (TypeError): If this is no choice of rows: numpy takes more, and gives something else."""
    if isinstance(key, slice):
        return key
    try:
        rows = np.asarray(key, dtype=None if key else np.int64) if isinstance(key, list) else key
        if getattr(rows, "ndim", None) == 1 and getattr(rows.dtype, "kind", "") in tuple("iub"):
            return rows
        if not isinstance(key, (bool, np.bool_)):
            return index(key)
    except (TypeError, ValueError):
        pass
    raise ElmoTypeError(Errors.EL243.format(got=short_repr(key)))


def _rebuild(arrays: dict[str, Any], n_layers: int) -> LayerOutputs:
    return LayerOutputs(arrays, n_layers=n_layers)


def stack_layers(arrays: Sequence[NDArray[Any]], *, width: int | None = None) -> NDArray[Any]:
    """(n_layers, n_tokens, 2P): the narrow word_emb, where it is among them, is doubled.

    width: 2P, where it cannot be seen from the arrays, which may all be word_emb.
    """
    widest = max(array.shape[-1] for array in arrays) if width is None else width
    return np.stack([a if a.shape[-1] == widest else np.concatenate([a, a], axis=-1) for a in arrays])
