"""Arrow arrays of annotations, built from flat columns: no object is made per annotation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Floats = NDArray[np.float32]

_ELEMENT = pa.field("element", pa.float32(), nullable=False)
_FIELDS = [
    pa.field("annotatorType", pa.string()),
    pa.field("begin", pa.int32(), nullable=False),
    pa.field("end", pa.int32(), nullable=False),
    pa.field("result", pa.string()),
    pa.field("metadata", pa.map_(pa.string(), pa.string())),
    pa.field("embeddings", pa.list_(_ELEMENT)),
]
# Arrow's form of `annotation.ANNOTATIONS`.
ARROW_TYPE = pa.list_(pa.struct(_FIELDS))
# A list's offsets, and so the numbers in one array, are of 32 bits.
MOST_VALUES = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class FlatAnnotations:
    """The annotations of some rows, one after the other.

    kind (str): The annotator type of all of them.
    offsets (Ints): (n_rows + 1,): where the annotations of each row begin, and the end of the last.
    begin (Ints): (n,): the first character of each, in UTF-16 units.
    end (Ints): (n,): its last character, inclusive.
    result (Sequence[str]): The text of each.
    metadata (Mapping[str, str | Sequence[str]]): By key, in this order: a value for all, or one for each.
    values (Floats): The vectors of all, flat.
    value_offsets (Ints): (n + 1,): where each vector begins in `values`, and the end of the last.
    """

    kind: str
    offsets: Ints
    begin: Ints
    end: Ints
    result: Sequence[str]
    metadata: Mapping[str, str | Sequence[str]]
    values: Floats
    value_offsets: Ints


def make_annotations(flat: FlatAnnotations) -> pa.ListArray:
    """Build the Arrow array of annotations.

    flat (FlatAnnotations): What is in them.
    RETURNS (pa.ListArray): (n_rows,), of `ARROW_TYPE`.
    """
    n = len(flat.begin)
    structs = pa.StructArray.from_arrays(
        [
            _repeat(flat.kind, n),
            pa.array(flat.begin, pa.int32()),
            pa.array(flat.end, pa.int32()),
            pa.array(flat.result, pa.string()),
            _make_maps(flat.metadata, n),
            pa.ListArray.from_arrays(
                pa.array(flat.value_offsets, pa.int32()),
                pa.array(flat.values, pa.float32()),
                type=pa.list_(_ELEMENT),
            ),
        ],
        fields=_FIELDS,
    )
    return pa.ListArray.from_arrays(pa.array(flat.offsets, pa.int32()), structs, type=ARROW_TYPE)


def no_vectors(n: int) -> tuple[Floats, Ints]:
    """Make the values of annotations without vectors.

    n (int): The number of annotations.
    RETURNS (tuple[Floats, Ints]): `values` and `value_offsets` of `FlatAnnotations`.
    """
    return np.empty(0, np.float32), np.zeros(n + 1, np.int32)


def _repeat(text: str, n: int) -> pa.StringArray:
    return pa.array([text]).take(pa.array(np.zeros(n, np.int32)))


def _make_maps(metadata: Mapping[str, str | Sequence[str]], n: int) -> pa.MapArray:
    n_keys = len(metadata)
    keys = pa.array(list(metadata)).take(pa.array(np.tile(np.arange(n_keys, dtype=np.int32), n)))
    # All values are put side by side once; then each map takes its own.
    parts, places = [], np.empty((n, n_keys), np.int64)
    start = 0
    for i, value in enumerate(metadata.values()):
        part = pa.array([value] if isinstance(value, str) else value, pa.string())
        places[:, i] = start if isinstance(value, str) else np.arange(start, start + n)
        parts.append(part)
        start += len(part)
    items = pa.concat_arrays(parts).take(pa.array(places.reshape(-1)))
    offsets = np.arange(n + 1, dtype=np.int32) * n_keys
    return pa.MapArray.from_arrays(pa.array(offsets), keys, items)
