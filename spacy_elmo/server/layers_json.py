"""Layers as JSON: numbers in the fewest digits that give the same float32, in pieces of a bounded size."""

import json
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
import orjson
from numpy.typing import NDArray

# Numbers that are written at a time. Python's other threads stand still meanwhile: a fraction of a millisecond.
_NUMBERS = 4_096
# Of an answer, what is sent at a time.
PIECE_BYTES = 64 * 1024


def write_json(value: object) -> bytes:
    """Write a value as JSON.

    value (object): Strings, and lists and dicts of them. Half a character, which UTF-8 does not have, is escaped.
    RETURNS (bytes): The JSON.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def write_rows(array: NDArray[np.floating]) -> Iterator[bytes]:
    """Write the rows of a layer, with commas between. What is not finite becomes null: JSON has no such number.

    array (NDArray): (n_tokens, width).
    YIELDS (bytes): JSON.
    """
    # orjson reads no other arrays.
    rows = np.ascontiguousarray(array, dtype=np.float32)
    n_rows = max(1, _NUMBERS // max(1, rows.shape[1]))
    for start in range(0, len(rows), n_rows):
        written = orjson.dumps(rows[start : start + n_rows], option=orjson.OPT_SERIALIZE_NUMPY)
        yield (b"," if start else b"") + written[1:-1]


def join_pieces(parts: Iterable[bytes]) -> deque[bytes]:
    """Join small parts.

    parts (Iterable[bytes]): Parts of an answer.
    RETURNS (deque[bytes]): The same bytes, in pieces of about `PIECE_BYTES` that are sent and freed one by one.
    """
    pieces: deque[bytes] = deque()
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= PIECE_BYTES:
            pieces.append(b"".join(waiting))
            waiting, size = [], 0
    pieces.append(b"".join(waiting))
    return pieces
