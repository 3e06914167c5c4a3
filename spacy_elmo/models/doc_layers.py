"""What is kept on a Doc: its layers, and the tokens that they belong to."""

from contextlib import suppress
from typing import Any, cast
from weakref import ref

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ORTH, SENT_START
from spacy.tokens import Doc

from ..bilm.layers import LayerOutputs
from ..errors import ElmoError, Errors

Hashes = NDArray[np.uint64]
_DTYPE = np.dtype(np.uint64)

# The slot that spaCy would use for an extension of this name: `Doc.from_docs` then says which data it drops.
# Only arrays, strings and numbers are stored: they pass through msgpack, and decode without this package.
KEY: Any = ("._.", "elmo", None, None)
# Longer Docs are not compared as a whole every time: reading token by token would take time that grows with the
# square of their length. A token is compared with so many on either side; one by one, a token takes about so many
# times as long as in an array of all.
_LONG, _AROUND, _ONE_BY_ONE = 512, 16, 8


def token_hashes(doc: Doc) -> Hashes:
    """spaCy's numbers for the texts of the tokens, the same in every vocabulary and process.

    doc (Doc): Any Doc.
    RETURNS (NDArray): (len(doc),), uint64.
    """
    return cast(Hashes, doc.to_array(ORTH))


def same_tokens(doc: Doc, hashes: Hashes) -> bool:
    """Whether a Doc's tokens have these hashes.

    doc (Doc): Any Doc.
    hashes (NDArray): As `token_hashes` gives them.
    RETURNS (bool): Whether all are equal, in number too.
    """
    # For the few tokens of most Docs, numpy's comparison takes longer.
    return len(doc) == len(hashes) and token_hashes(doc).tobytes() == hashes.tobytes()


def sentence_starts(doc: Doc) -> list[int]:
    """The tokens that begin a sentence, by their numbers.

    doc (Doc): Any Doc.
    RETURNS (list[int]): Without the first token, which always does.
    """
    starts: Any = doc.to_array(SENT_START)
    return [i for i in np.flatnonzero(starts == 1).tolist() if i]


def clear_layers(doc: Doc) -> None:
    """Remove the layers from a Doc, if it has any."""
    doc.user_data.pop(KEY, None)


def read_record(doc: Doc, start: int = 0, end: int | None = None) -> dict[str, Any] | None:
    """What the embedder has left in a Doc's slot: layers, n_layers, pooling_layer and tokens, their hashes, which
    earlier versions did not store.

    doc (Doc): Any Doc.
    start (int): The first token that is to be read.
    end (int | None): The end of those tokens; None: the Doc's.
    RETURNS (dict[str, Any] | None): None if it has no layers.
    RAISES (ElmoError): If the layers are of other tokens than the Doc's, or the slot holds something else.
    """
    record: Any = doc.user_data.get(KEY)
    if record is None:
        return None
    if not _is_record(record):
        raise ElmoError(Errors.EL191.format(got=type(record).__name__))
    n_tokens, hashes = len(doc), record.get("tokens")
    for array in (*record["layers"].values(), *([] if hashes is None else [hashes])):
        if len(array) != n_tokens:
            raise ElmoError(Errors.EL053.format(held=f"{len(array)} rows, but the Doc has {n_tokens} tokens"))
    if hashes is not None and not _is_same(doc, hashes, start, n_tokens if end is None else end):
        raise ElmoError(Errors.EL053.format(held=_describe_difference(doc, hashes)))
    return cast(dict[str, Any], record)


def wrote_tensor(doc: Doc) -> bool:
    """Whether an embedder has written doc.tensor, as far as the Doc tells.

    doc (Doc): Any Doc, whatever has become of its tokens since.
    RETURNS (bool): Also True for a Doc of an earlier version, which did not store it.
    """
    record: Any = doc.user_data.get(KEY)
    return record is not None and _is_record(record) and bool(record.get("tensor", True))


def read_layers(doc: Doc) -> LayerOutputs | None:
    """The layers that are kept on a Doc, (len(doc), width) each.

    doc (Doc): Any Doc.
    RETURNS (LayerOutputs | None): None if it has none.
    RAISES (ElmoError): As `read_record`.
    """
    record = read_record(doc)
    return None if record is None else LayerOutputs(record["layers"], n_layers=record["n_layers"])


def read_rows(doc: Doc, start: int, end: int, rows: int | slice) -> LayerOutputs | None:
    """Some tokens' rows of the layers that are kept on a Doc.

    doc (Doc): Any Doc.
    start (int): The first of the tokens.
    end (int): Their end.
    rows (int | slice): The rows to give, which are theirs.
    RETURNS (LayerOutputs | None): None if the Doc has no layers.
    RAISES (ElmoError): As `read_record`.
    """
    record = read_record(doc, start, end)
    if record is None:
        return None
    arrays = {name: array[rows] for name, array in record["layers"].items()}
    return LayerOutputs(arrays, n_layers=record["n_layers"])


def _is_record(record: Any) -> bool:
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
    if _last_compared.knows(doc, hashes):
        return True
    if (end - start + 2 * _AROUND) * _ONE_BY_ONE < n_tokens:
        start, end = max(0, start - _AROUND), min(n_tokens, end + _AROUND)
        return bool([token.orth for token in doc[start:end]] == hashes[start:end].tolist())
    same = same_tokens(doc, hashes)
    if same:
        _last_compared.keep(doc, hashes)
    return same


class _LastCompared:
    """The long Doc whose tokens were found to be the same. Whatever changes tokens, changes doc.tensor as well."""

    def __init__(self) -> None:
        self._known: tuple[Any, Any, Hashes | None] = (None, None, None)

    def knows(self, doc: Doc, hashes: Hashes) -> bool:
        known_doc, known_tensor, known_hashes = self._known
        return bool(known_hashes is hashes and known_doc() is doc and known_tensor() is doc.tensor)

    def keep(self, doc: Doc, hashes: Hashes) -> None:
        # An empty one is left as it is.
        if getattr(doc.tensor, "size", 0):
            with suppress(TypeError):
                self._known = ref(doc), ref(doc.tensor), hashes


_last_compared = _LastCompared()


def _describe_difference(doc: Doc, hashes: Hashes) -> str:
    row = int(np.flatnonzero(token_hashes(doc) != hashes)[0])
    try:
        was = repr(doc.vocab.strings[int(hashes[row])])
    except KeyError:
        was = "another token"
    return f"the layers of other tokens: row {row} is of {was}, but token {row} is {doc[row].text!r}"
