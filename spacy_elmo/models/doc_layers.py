"""What is kept on a Doc: its layers, and the tokens that they belong to."""

from typing import Any, Dict, Optional, Sequence, cast

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.tokens import Doc

from ..bilm.layers import LayerOutputs
from ..errors import Errors

Hashes = NDArray[np.uint64]

# The slot that spaCy would use for an extension of this name: `Doc.from_docs` then says which data it drops.
# Only arrays, strings and numbers are stored: they pass through msgpack, and decode without this package.
KEY: Any = ("._.", "elmo", None, None)
# Who reads a long Doc token by token must not compare all of it every time: then so many tokens on either side are
# compared. One by one, a token takes about so many times as long as in an array of all.
_AROUND, _ONE_BY_ONE = 16, 8


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
    return len(doc) == len(hashes) and bool((token_hashes(doc) == hashes).all())


def write_layers(
    doc: Doc,
    outputs: LayerOutputs,
    *,
    keep: Sequence[str],
    pooling_layer: str,
    hashes: Optional[Hashes] = None,
) -> None:
    """Keep layers on a Doc, with the tokens that they belong to.

    doc (Doc): The Doc.
    outputs (LayerOutputs): Its layers, (len(doc), width) each.
    keep (Sequence[str]): The layers to keep.
    pooling_layer (str): The layer that vectors are made of.
    hashes (Optional[NDArray]): Hashes of the tokens that the layers were computed for; None: of the Doc's.
    """
    doc.user_data[KEY] = {
        "layers": outputs.chosen(keep), "n_layers": outputs.n_layers, "pooling_layer": pooling_layer,
        "tokens": token_hashes(doc) if hashes is None else hashes,
    }  # fmt: skip


def clear_layers(doc: Doc) -> None:
    """Remove the layers from a Doc, if it has any."""
    doc.user_data.pop(KEY, None)


def read_record(doc: Doc, start: int = 0, end: Optional[int] = None) -> Optional[Dict[str, Any]]:
    """What `write_layers` has left on a Doc.

    doc (Doc): Any Doc.
    start (int): The first token that is to be read.
    end (Optional[int]): The end of those tokens; None: the Doc's.
    RETURNS (Optional[Dict[str, Any]]): None if it has no layers.
    RAISES (ValueError): If the layers are of other tokens than the Doc's, or their slot holds something else.
    """
    record = doc.user_data.get(KEY)
    if record is None:
        return None
    if not _is_record(record):
        raise ValueError(Errors.EL191.format(got=type(record).__name__))
    n_tokens = len(doc)
    for array in record["layers"].values():
        if array.shape[0] != n_tokens:
            raise _stale(array.shape[0], n_tokens)
    # Earlier versions stored no hashes.
    hashes = record.get("tokens")
    if hashes is not None:
        _check_tokens(doc, hashes, start, n_tokens if end is None else end)
    found: Dict[str, Any] = record
    return found


def read_layers(doc: Doc, start: int = 0, end: Optional[int] = None) -> Optional[LayerOutputs]:
    """The layers that are kept on a Doc, (len(doc), width) each.

    doc, start, end: As for `read_record`.
    RETURNS (Optional[LayerOutputs]): None if it has none.
    RAISES (ValueError): As `read_record`.
    """
    record = read_record(doc, start, end)
    return None if record is None else LayerOutputs(record["layers"], n_layers=record["n_layers"])


def _is_record(record: Any) -> bool:
    try:
        layers, hashes = record["layers"], record.get("tokens")
        return (
            isinstance(record["n_layers"], int)
            and isinstance(record["pooling_layer"], str)
            and all(array.ndim == 2 for array in layers.values())
            and (hashes is None or (hashes.ndim, hashes.dtype) == (1, np.uint64))
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        return False


def _check_tokens(doc: Doc, hashes: Hashes, start: int, end: int) -> None:
    n_tokens = len(doc)
    if len(hashes) != n_tokens:
        raise _stale(len(hashes), n_tokens)
    if (end - start + 2 * _AROUND) * _ONE_BY_ONE < n_tokens:
        start, end = max(0, start - _AROUND), min(n_tokens, end + _AROUND)
        same = [token.orth for token in doc[start:end]] == hashes[start:end].tolist()
    else:
        same = bool((token_hashes(doc) == hashes).all())
    if not same:
        row = int(np.flatnonzero(token_hashes(doc) != hashes)[0])
        try:
            was = repr(doc.vocab.strings[int(hashes[row])])
        except KeyError:
            was = "another token"
        held = f"the layers of other tokens: row {row} is of {was}, but token {row} is {doc[row].text!r}"
        raise ValueError(Errors.EL053.format(held=held))


def _stale(rows: int, tokens: int) -> ValueError:
    return ValueError(Errors.EL053.format(held=f"{rows} rows, but the Doc has {tokens} tokens"))
