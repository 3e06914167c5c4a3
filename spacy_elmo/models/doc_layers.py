"""The layers that are kept on a Doc, with the hashes of the tokens that they belong to."""

from collections.abc import Sized
from contextlib import suppress
from typing import Any, TypedDict, TypeGuard, cast
from weakref import ReferenceType, ref

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ORTH, SENT_START
from spacy.tokens import Doc
from thinc.types import Floats2d

from ..bilm.layers import LayerOutputs
from ..errors import ElmoError, Errors

Hashes = NDArray[np.uint64]
_DTYPE = np.dtype(np.uint64)

# The slot that spaCy would use for an extension of this name, so that `Doc.from_docs` names it when it drops it.
# Only arrays, strings and numbers are stored: they pass through msgpack, and decode without this package.
KEY: Any = ("._.", "elmo", None, None)
# Docs of so many tokens are not compared as a whole for each token that is read: the time would grow with the
# square of their length. A token is compared together with so many on either side. To get the hash of a single
# token takes so many times as long as in an array of all.
_LONG, _AROUND, _ONE_BY_ONE = 512, 16, 8


class _Required(TypedDict):
    layers: dict[str, Floats2d]
    n_layers: int
    pooling_layer: str


class Record(_Required, total=False):
    """What the embedder leaves on a Doc. Earlier versions did not store the last two.

    layers (dict[str, Floats2d]): By name, (len(doc), width).
    n_layers (int): LSTM layers of the model.
    pooling_layer (str): The layer that vectors are made from.
    tokens (Hashes): The hashes of the tokens that the layers belong to.
    tensor (bool): Whether the embedder wrote doc.tensor.
    """

    tokens: Hashes
    tensor: bool


def token_hashes(doc: Doc) -> Hashes:
    """Get the hashes of the tokens' texts, which are the same in every vocabulary and process.

    doc (Doc): A Doc.
    RETURNS (Hashes): (len(doc),), uint64.
    """
    return cast(Hashes, doc.to_array(ORTH))


def same_tokens(doc: Doc, hashes: Hashes) -> bool:
    """Check whether a Doc's tokens have these hashes.

    doc (Doc): A Doc.
    hashes (Hashes): As from `token_hashes`.
    RETURNS (bool): Whether there are as many, and all are equal.
    """
    # For as few tokens as most Docs have, numpy's comparison takes longer.
    return len(doc) == len(hashes) and token_hashes(doc).tobytes() == hashes.tobytes()


def sentence_starts(doc: Doc) -> list[int]:
    """List the tokens that begin a sentence.

    doc (Doc): A Doc.
    RETURNS (list[int]): Their numbers, without the first token, which always begins one.
    """
    starts = doc.to_array(SENT_START)
    return [i for i in np.flatnonzero(starts == 1).tolist() if i]


def clear_layers(doc: Doc) -> None:
    """Remove the layers from a Doc, if it has any.

    doc (Doc): A Doc.
    """
    doc.user_data.pop(KEY, None)


def read_record(doc: Doc, start: int = 0, end: int | None = None) -> Record | None:
    """Read what the embedder has left on a Doc.

    doc (Doc): A Doc.
    start (int): The first token of interest.
    end (int | None): The end of the tokens of interest; None: the end of the Doc.
    RETURNS (Record | None): None if the Doc has no layers.
    RAISES (ElmoError): If the layers belong to other tokens, or the slot has another content.
    """
    record = doc.user_data.get(KEY)
    if record is None:
        return None
    if not _is_record(record):
        raise ElmoError(Errors.EL191.format(got=type(record).__name__))
    n_tokens, hashes = len(doc), record.get("tokens")
    arrays: list[Sized] = [*record["layers"].values()]
    if hashes is not None:
        arrays.append(hashes)
    for array in arrays:
        if len(array) != n_tokens:
            raise ElmoError(Errors.EL053.format(held=f"{len(array)} rows, but the Doc has {n_tokens} tokens"))
    if hashes is not None and not _is_same(doc, hashes, start, n_tokens if end is None else end):
        raise ElmoError(Errors.EL053.format(held=_describe_difference(doc, hashes)))
    return record


def wrote_tensor(doc: Doc) -> bool:
    """Check whether an embedder has written doc.tensor, by what is stored on the Doc.

    doc (Doc): A Doc; its tokens may have changed since.
    RETURNS (bool): Also True for a Doc of an earlier version, which did not store it.
    """
    record = doc.user_data.get(KEY)
    return record is not None and _is_record(record) and bool(record.get("tensor", True))


def read_layers(doc: Doc) -> LayerOutputs | None:
    """Read the layers that are kept on a Doc, (len(doc), width) each.

    doc (Doc): A Doc.
    RETURNS (LayerOutputs | None): None if the Doc has no layers.
    RAISES (ElmoError): As `read_record`.
    """
    record = read_record(doc)
    return None if record is None else LayerOutputs(record["layers"], n_layers=record["n_layers"])


def read_rows(doc: Doc, start: int, end: int, rows: int | slice) -> LayerOutputs | None:
    """Read some tokens' rows of the layers that are kept on a Doc.

    doc (Doc): A Doc.
    start (int): The first of the tokens.
    end (int): The end of the tokens.
    rows (int | slice): The rows of these tokens.
    RETURNS (LayerOutputs | None): None if the Doc has no layers.
    RAISES (ElmoError): As `read_record`.
    """
    record = read_record(doc, start, end)
    if record is None:
        return None
    arrays = {name: array[rows] for name, array in record["layers"].items()}
    return LayerOutputs(arrays, n_layers=record["n_layers"])


def _is_record(record: Any) -> TypeGuard[Record]:
    try:
        arrays, hashes = record["layers"].values(), record.get("tokens")
        return (
            isinstance(record["n_layers"], int)
            and isinstance(record["pooling_layer"], str)
            and {array.ndim for array in arrays} <= {2}
            and (hashes is None or (hashes.ndim == 1 and hashes.dtype == _DTYPE))
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        return False


def _is_same(doc: Doc, hashes: Hashes, start: int, end: int) -> bool:
    n_tokens = len(doc)
    if n_tokens < _LONG:
        return same_tokens(doc, hashes)
    if _last_compared.has(doc, hashes):
        return True
    if (end - start + 2 * _AROUND) * _ONE_BY_ONE < n_tokens:
        start, end = max(0, start - _AROUND), min(n_tokens, end + _AROUND)
        return bool([token.orth for token in doc[start:end]] == hashes[start:end].tolist())
    same = same_tokens(doc, hashes)
    if same:
        _last_compared.keep(doc, hashes)
    return same


class _LastCompared:
    """The last long Doc whose tokens were compared and equal. Whatever changes tokens also replaces doc.tensor."""

    def __init__(self) -> None:
        self._last: tuple[ReferenceType[Doc], ReferenceType[object], Hashes] | None = None

    def has(self, doc: Doc, hashes: Hashes) -> bool:
        if self._last is None:
            return False
        last_doc, last_tensor, last_hashes = self._last
        return last_hashes is hashes and last_doc() is doc and last_tensor() is doc.tensor

    def keep(self, doc: Doc, hashes: Hashes) -> None:
        # An empty tensor is not replaced when tokens change.
        if getattr(doc.tensor, "size", 0):
            with suppress(TypeError):
                self._last = ref(doc), ref(doc.tensor), hashes


_last_compared = _LastCompared()


def _describe_difference(doc: Doc, hashes: Hashes) -> str:
    row = int(np.flatnonzero(token_hashes(doc) != hashes)[0])
    try:
        was = repr(doc.vocab.strings[int(hashes[row])])
    except KeyError:
        was = "another token"
    return f"the layers of other tokens: row {row} is of {was}, but token {row} is {doc[row].text!r}"
