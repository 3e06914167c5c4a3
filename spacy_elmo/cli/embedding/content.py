"""What `spacy-elmo embed` writes of each sentence: layers or one vector of them, for each token or for all."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...bilm.layers import LayerOutputs, stack_layers
from ...errors import ElmoError, Errors
from ...inputs.items import InputSentence

Array: TypeAlias = NDArray[np.floating]

# What --sum, --average and --top write; otherwise all chosen layers.
SUM, AVERAGE, TOP = "sum", "average", "top"
REDUCTIONS = (SUM, AVERAGE, TOP)
# What --pool writes; otherwise the vectors of all tokens.
MEAN = "mean"
POOLINGS = (MEAN,)


def check_choice(what: str, got: str | None, allowed: tuple[str, ...]) -> None:
    """Check a setting that may be None.

    what (str): The setting, for the message.
    got (str | None): Its value.
    allowed (tuple[str, ...]): The values that are allowed.
    RAISES (ElmoError): If it is none of them.
    """
    if got is not None and got not in allowed:
        raise ElmoError(Errors.EL030.format(what=what, got=got, allowed=", ".join(allowed)))


class Embedded(NamedTuple):
    """A sentence with what is written of it.

    sentence (InputSentence): The sentence.
    columns (dict[str, Array]): What `Content.select` returns.
    """

    sentence: InputSentence
    columns: dict[str, Array]


class Content(NamedTuple):
    """What is written of each sentence.

    names (list[str]): The layers, lowest first.
    reduce (str | None): One of `REDUCTIONS`, or None.
    pool (str | None): `MEAN` or None.
    width (int): The width of an LSTM layer, 2P.
    with_index (bool): Whether HDF5 files have sentence_to_index.
    has_ids (bool): Whether sentences are sequences with ids.
    like (LayerOutputs): The layers of a sentence without tokens.
    source (str): The model, for the metadata of tables.
    """

    names: list[str]
    reduce: str | None
    pool: str | None
    width: int
    with_index: bool
    has_ids: bool
    like: LayerOutputs
    source: str

    def select(self, sentence: InputSentence, outputs: LayerOutputs) -> dict[str, Array]:
        """Compute what is written of a sentence.

        sentence (InputSentence): The sentence.
        outputs (LayerOutputs): The layers of the tokens that the biLM sees.
        RETURNS (dict[str, Array]): Each layer, (n, width), or what they are reduced to, (n, 2P), with zeros for
            tokens that the biLM does not see. With `pool`, without the first axis: the mean over the tokens that
            it sees, and NaN if there are none.
        """
        columns = self._combine(outputs)
        for name, array in columns.items():
            columns[name] = _pool(array) if self.pool else _insert_zeros(array, sentence)
        return columns

    def make_empty(self) -> dict[str, Array]:
        """Make the columns of no tokens.

        RETURNS (dict[str, Array]): (0, width) for each.
        """
        return self._combine(self.like)

    def stack(self, columns: dict[str, Array]) -> Array:
        """Make the array of a sentence, as HDF5 files have it.

        columns (dict[str, Array]): As `select` returns them.
        RETURNS (Array): (n_layers, n, 2P), or (n, 2P) with `reduce`. With `pool`, without n.
        """
        arrays = list(columns.values())
        return arrays[0] if self.reduce else stack_layers(arrays, width=self.width)

    def count_bytes(self) -> int:
        """Count the bytes of the vectors of a token or, with `pool`, of a sentence.

        RETURNS (int): The number of bytes.
        """
        return sum(array.shape[1] * array.itemsize for array in self.make_empty().values())

    def _combine(self, outputs: LayerOutputs) -> dict[str, Array]:
        layers = {name: outputs[name] for name in self.names}
        if self.reduce not in (SUM, AVERAGE):
            return layers
        # One by one, because a stack of all would take as much memory again.
        total: Array | None = None
        for layer in layers.values():
            wide = layer if layer.shape[1] == self.width else np.concatenate([layer, layer], axis=1)
            if total is not None:
                total += wide
            else:
                total = layer.copy() if wide is layer else wide
        assert total is not None
        if self.reduce == AVERAGE:
            total /= len(layers)
        return {self.reduce: total}


def _pool(array: Array) -> Array:
    """Compute the mean of rows, in float64, because a sum of thousands of rows would lose digits."""
    if not len(array):
        return np.full(array.shape[1:], np.nan, dtype=array.dtype)
    return np.asarray(array.mean(axis=0, dtype=np.float64).astype(array.dtype))


def _insert_zeros(array: Array, sentence: InputSentence) -> Array:
    """Insert rows of zeros for tokens that the biLM does not see."""
    rows, n_tokens = sentence.rows, len(sentence.tokens)
    if len(rows) == n_tokens:
        return array
    full = np.zeros((n_tokens, *array.shape[1:]), dtype=array.dtype)
    full[rows] = array
    return full
