"""Records of the index file: which rows of the data file are a sentence's, and a checksum over both."""

import struct
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .sentences import DIGEST_BYTES

RECORD = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("first", "<i8"), ("n_rows", "<u4"), ("checksum", "<u4")])


class Place(NamedTuple):
    """Where a sentence's rows are. checksum: that they must have."""

    first: int
    n_rows: int
    checksum: int


def place(digest: bytes, rows: NDArray[Any], *, first: int) -> Place:
    """The place of these rows, once row `first` of the file begins them."""
    # The checksum is over the record as well: rows that are whole are of no use under a damaged digest.
    record = struct.pack(f"<{DIGEST_BYTES}sqI", digest, first, len(rows))
    return Place(first, len(rows), zlib.crc32(rows.data, zlib.crc32(record)))


def pack(digest: bytes, place: Place) -> bytes:
    """One record."""
    return struct.pack(f"<{DIGEST_BYTES}sqII", digest, *place)


def consistent(data: bytes, *, n_rows: int, most_rows: int) -> NDArray[Any]:
    """The records of an index, or of a later part of it, up to the first that cannot be.

    n_rows: rows of the sentences before. most_rows: rows that the data file has.
    RETURNS: RECORD (n_records,); each begins where the one before it ends, and all end within the data file.
    """
    records: NDArray[Any] = np.frombuffer(data, RECORD, count=len(data) // RECORD.itemsize)
    ends = records["first"] + records["n_rows"]
    starts = np.concatenate([[n_rows], ends[:-1]])
    good = (records["first"] == starts) & (records["n_rows"] > 0) & (ends <= most_rows)
    return records if good.all() else records[: int(np.argmin(good))]
