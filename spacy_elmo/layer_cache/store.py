"""Rows by digest in two files that only grow: digests of sentences, records of the index, and the reading side."""

import hashlib
import mmap
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import ElmoError, Errors, short_repr
from ..errors.advice import OTHER_TOKEN

DIGEST_BYTES = 16


def digests(sentences: Sequence[Sequence[str]]) -> list[bytes]:
    """16 bytes for each sentence, which another sentence has only if its tokens are the same.

    RAISES (ElmoError): If a sentence is not a list of str.
    """
    try:
        return [_digest(sentence) for sentence in sentences]
    except TypeError:
        _refuse(sentences)


def _digest(tokens: Sequence[str]) -> bytes:
    if isinstance(tokens, (str, bytes)):
        raise TypeError
    # The lengths tell where each token ends, whatever characters it is made of. They come with their number in
    # front, and one half of a surrogate pair is encoded as it stands: no two sentences give the same bytes.
    lengths = struct.pack(f"<{len(tokens) + 1}I", len(tokens), *map(len, tokens))
    text = "".join(tokens).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(lengths + text, digest_size=DIGEST_BYTES).digest()


def _refuse(sentences: Sequence[Any]) -> NoReturn:
    for i, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Sequence):
            raise ElmoError(Errors.EL033.format(index=i, got=short_repr(sentence)))
        for k, token in enumerate(sentence):
            if not isinstance(token, str):
                advice = OTHER_TOKEN
                raise ElmoError(Errors.EL034.format(token=k, sentence=i, got=short_repr(token), advice=advice))
    raise AssertionError


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


class Store:
    """The sentences of a data file and its index, read through a memory map. No file stays open.

    path: of the data file; the index is beside it. Neither needs to be there.
    width: numbers in a row. dtype: of a number.
    """

    def __init__(self, path: Path, *, width: int, dtype: str):
        self.path = path
        self.index_path = path.with_suffix(".index")
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.row_bytes: int = width * self.dtype.itemsize
        self.n_records = 0
        self.n_rows = 0
        self.damaged = False
        self._width = width
        self._index_size = 0
        # Without a checksum: the rows have been held against it.
        self._places: dict[bytes, Any] = {}
        self._rows: NDArray[Any] = np.empty((0, width), self.dtype)
        self.refresh()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def size(self) -> int:
        """Bytes of both files, without tails that a process left when it was killed."""
        return self.n_rows * self.row_bytes + self.n_records * RECORD.itemsize

    @property
    def grown(self) -> bool:
        """Whether the index is not what it was when it was last read."""
        return _size(self.index_path) != self._index_size

    def refresh(self) -> bool:
        """Take up what has been added to the files since. RETURNS: whether there was anything."""
        start = self.n_records * RECORD.itemsize
        self._index_size = _size(self.index_path)
        if self._index_size < start + RECORD.itemsize:
            return False
        try:
            with self.index_path.open("rb") as file:
                file.seek(start)
                data = file.read()
        except OSError:
            return False
        # Looked at after the index: whoever writes puts the rows first.
        most_rows = _size(self.path) // self.row_bytes
        records = consistent(data, n_rows=self.n_rows, most_rows=most_rows)
        places = zip(records["first"].tolist(), records["n_rows"].tolist(), records["checksum"].tolist())
        # Of two records for one sentence, the later one takes the place of a damaged one.
        self._places.update(zip(records["digest"].tolist(), places))
        self.n_records += len(records)
        self.n_rows += int(records["n_rows"].sum())
        return len(records) > 0

    def add(self, places: dict[bytes, Place]) -> None:
        """Note what has just been written to the files."""
        self._places.update(places)
        self.n_records += len(places)
        self.n_rows += sum(place.n_rows for place in places.values())

    def find(self, digest: bytes) -> NDArray[Any] | None:
        """RETURNS: (n_tokens, width), a part of the map that cannot be written to; None if there is none, or if it
        is damaged, which is then forgotten."""
        known = self._places.get(digest)
        if known is None:
            return None
        first, n_rows, checksum = known
        if first + n_rows > len(self._rows):
            self._map()
        rows = self._rows[first : first + n_rows]
        if checksum is not None:
            if len(rows) < n_rows or place(digest, rows, first=first).checksum != checksum:
                self.damaged = True
                del self._places[digest]
                return None
            self._places[digest] = (first, n_rows, None)
        return rows

    def check(self) -> None:
        """Forget everything if another program has cut the file: to read a map beyond its end kills a process."""
        if len(self._rows) * self.row_bytes > _size(self.path):
            self.damaged = True
            self._places.clear()
            self.unmap()

    def unmap(self) -> None:
        """Let go of the map. It comes back when it is needed."""
        self._rows = self._rows[:0].copy()

    def _map(self) -> None:
        n_rows = min(self.n_rows, _size(self.path) // self.row_bytes)
        self.unmap()
        if n_rows == 0:
            return
        try:
            with self.path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), n_rows * self.row_bytes, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            return
        # Not numpy.memmap, whose slices cost several times as much.
        self._rows = np.frombuffer(mapped, self.dtype).reshape(n_rows, self._width)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
