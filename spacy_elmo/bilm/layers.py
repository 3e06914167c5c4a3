"""Layer names, what each needs computed, and the arrays of one sentence."""

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors

WORD_EMB = "word_emb"
MIXED = "elmo"
ALL = "*"
_LSTM_LAYER = re.compile(r"lstm_outputs([1-9][0-9]*)")

LayerChoice = Union[str, Sequence[str]]


def lstm_layer(k: int) -> str:
    """Name of LSTM layer k, from 1 up."""
    return f"lstm_outputs{k}"


def layer_names(n_layers: int) -> List[str]:
    """Every layer of a model with n_layers LSTM layers, lowest first."""
    return [WORD_EMB, *(lstm_layer(k + 1) for k in range(n_layers)), MIXED]


def check_layer_name(name: Any, *, what: str = "layer") -> str:
    """RAISES: ValueError if this can be no layer of any model."""
    if isinstance(name, str) and (name in (WORD_EMB, MIXED) or _LSTM_LAYER.fullmatch(name)):
        return name
    allowed = f"{WORD_EMB}, lstm_outputs1, lstm_outputs2 (as many as the model has), {MIXED}"
    raise ValueError(Errors.EL030.format(what=what, got=name, allowed=allowed))


def check_layer_choice(layers: Any) -> LayerChoice:
    """`layers` as users write it: "*" or a list of names. RAISES: ValueError for anything else."""
    if layers == ALL:
        return ALL
    if isinstance(layers, str) or not isinstance(layers, Sequence):
        raise ValueError(Errors.EL039.format(got=layers))
    return [check_layer_name(name) for name in layers]


def resolve_layers(layers: LayerChoice, *, n_layers: int) -> List[str]:
    """The chosen layers of a model, lowest first and each once.

    RAISES: ValueError if one does not exist in a model with n_layers LSTM layers.
    """
    names = layer_names(n_layers)
    layers = check_layer_choice(layers)
    if layers == ALL:
        return names
    for name in layers:
        if name not in names:
            raise ValueError(Errors.EL031.format(got=name, n_layers=n_layers, allowed=", ".join(names)))
    return [name for name in names if name in layers]


def computed_layers(layers: Sequence[str], *, n_layers: int) -> List[str]:
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
    `outputs.lstm_outputs1`, ..., `outputs.elmo`.

    arrays: name -> (n_tokens, width), lowest layer first; width is P for word_emb and 2P for the others.
    n_layers: LSTM layers of the model, L.
    rows: first row and end of this sentence, where several share arrays. They are cut when they are asked for:
        many sentences come at once, and each is asked for little.
    RAISES: AttributeError, on access, for a layer that was not asked for.
    """

    __slots__ = ("_arrays", "_end", "_start", "n_layers")

    def __init__(self, arrays: Mapping[str, Any], *, n_layers: int, rows: Optional[Tuple[int, int]] = None):
        # What is shared is not copied for each of those who share it.
        self._arrays: Mapping[str, Any] = dict(arrays) if rows is None else arrays
        self._start: Optional[int]
        self._end: Optional[int]
        self._start, self._end = (None, None) if rows is None else rows
        self.n_layers = n_layers

    def __getattr__(self, name: str) -> Any:
        # Underscored look-ups come from copy and pickle, before there are any arrays.
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._arrays:
            return self._rows(self._arrays[name])
        names = layer_names(self.n_layers)
        if name not in names:
            allowed = ", ".join(names)
            raise AttributeError(Errors.EL031.format(got=name, n_layers=self.n_layers, allowed=allowed))
        raise AttributeError(Errors.EL035.format(name=name, kept=", ".join(self._arrays) or "none"))

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *self._arrays]

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {tuple(array.shape)}" for name, array in self.items())
        return f"LayerOutputs({shapes})"

    def __setstate__(self, state: Any) -> None:
        # As earlier versions pickled it.
        _, slots = state
        self._arrays, self.n_layers = slots["_arrays"], slots["n_layers"]
        self._start = self._end = None

    def __reduce__(self) -> Tuple[Any, ...]:
        # Not with what other sentences have in the same arrays.
        return _rebuild, (dict(self.items()), self.n_layers)

    @property
    def names(self) -> List[str]:
        """The layers that are here, lowest first."""
        return list(self._arrays)

    def items(self) -> List[Tuple[str, Any]]:
        """(name, array) of each layer that is here, lowest first."""
        return [(name, self._rows(array)) for name, array in self._arrays.items()]

    def chosen(self, names: Sequence[str]) -> Dict[str, Any]:
        """Arrays of some layers, in this order. RAISES: KeyError if one is not here."""
        arrays = self._arrays
        if self._start is None:
            return {name: arrays[name] for name in names}
        rows = slice(self._start, self._end)
        return {name: arrays[name][rows] for name in names}

    def __getitem__(self, rows: Union[int, slice]) -> "LayerOutputs":
        """The same layers of one token or of a slice of tokens."""
        return LayerOutputs({name: array[rows] for name, array in self.items()}, n_layers=self.n_layers)

    def _rows(self, array: Any) -> Any:
        return array if self._start is None else array[self._start : self._end]

    def stack(self) -> NDArray[Any]:
        """All layers but the mix as one array.

        RETURNS: (L + 1, n_tokens, 2P), of the layers' dtype; layer 0 is word_emb twice, side by side.
        RAISES: ValueError if a layer is missing.
        """
        wanted = [name for name in layer_names(self.n_layers) if name != MIXED]
        if not all(name in self._arrays for name in wanted):
            raise ValueError(Errors.EL036.format(kept=", ".join(self._arrays) or "none"))
        return stack_layers([getattr(self, name) for name in wanted])


def _rebuild(arrays: Dict[str, Any], n_layers: int) -> LayerOutputs:
    return LayerOutputs(arrays, n_layers=n_layers)


def stack_layers(arrays: Sequence[NDArray[Any]], *, width: Optional[int] = None) -> NDArray[Any]:
    """(n_layers, n_tokens, 2P): the narrow word_emb, where it is among them, is doubled.

    width: 2P, where it cannot be seen from the arrays, which may all be word_emb.
    """
    widest = max(array.shape[-1] for array in arrays) if width is None else width
    return np.stack([a if a.shape[-1] == widest else np.concatenate([a, a], axis=-1) for a in arrays])
