"""Rows by digest in two files that only grow: digests of sentences, records of the index, and reading them."""

import hashlib
import mmap
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import ElmoError, Errors, short_repr
from ..errors.advice import OTHER_TOKEN, advise_sentence

DIGEST_BYTES = 16
# Layers of a sentence, side by side: (n_tokens, width).
Rows: TypeAlias = NDArray[np.floating]

RECORD = np.dtype([("digest", f"V{DIGEST_BYTES}"), ("first", "<i8"), ("n_rows", "<u4"), ("checksum", "<u4")])


def hash_sentences(sentences: Sequence[Sequence[str]]) -> list[bytes]:
    """Hash sentences, so that different ones have different digests.

    sentences (Sequence[Sequence[str]]): Token texts.
    RETURNS (list[bytes]): 16 bytes for each.
    RAISES (ElmoError): If a sentence is not a list of str.
    """
    try:
        return [_hash_tokens(sentence) for sentence in sentences]
    except TypeError:
        _refuse(sentences)


def _hash_tokens(tokens: Sequence[str]) -> bytes:
    if isinstance(tokens, (str, bytes)):
        raise TypeError
    # The number of tokens and their lengths come first, and lone surrogates are encoded, too: no two sentences
    # give the same bytes, whatever characters they contain.
    lengths = struct.pack(f"<{len(tokens) + 1}I", len(tokens), *map(len, tokens))
    text = "".join(tokens).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(lengths + text, digest_size=DIGEST_BYTES).digest()


def _refuse(sentences: Sequence[object]) -> NoReturn:
    for i, sentence in enumerate(sentences):
        if isinstance(sentence, (str, bytes)) or not isinstance(sentence, Sequence):
            advice = advise_sentence(sentence)
            raise ElmoError(Errors.EL033.format(index=i, got=short_repr(sentence), advice=advice))
        for k, token in enumerate(sentence):
            if not isinstance(token, str):
                advice = OTHER_TOKEN
                raise ElmoError(Errors.EL034.format(token=k, sentence=i, got=short_repr(token), advice=advice))
    raise AssertionError


class Place(NamedTuple):
    """Where the rows of a sentence are.

    first (int): The first row in the data file.
    n_rows (int): Their number.
    checksum (int | None): Of the rows and their record; None: it was verified.
    """

    first: int
    n_rows: int
    checksum: int | None


def make_place(digest: bytes, rows: Rows, *, first: int) -> Place:
    """Describe rows in the data file.

    digest (bytes): Of the sentence.
    rows (Rows): Its layers.
    first (int): The first row in the data file.
    RETURNS (Place): Their place.
    """
    # The checksum includes the record: intact rows must not be found by a damaged digest.
    record = struct.pack(f"<{DIGEST_BYTES}sqI", digest, first, len(rows))
    return Place(first, len(rows), zlib.crc32(rows.data, zlib.crc32(record)))


def pack_record(digest: bytes, place: Place) -> bytes:
    """Pack a record of the index.

    digest (bytes): Of the sentence.
    place (Place): Of its rows, with a checksum.
    RETURNS (bytes): The record.
    """
    return struct.pack(f"<{DIGEST_BYTES}sqII", digest, *place)


def read_records(data: bytes, *, n_rows: int, most_rows: int) -> NDArray[np.void]:
    """Read the records of an index, or of a later part of it, up to the first impossible one.

    data (bytes): The records; an incomplete one at the end is left out.
    n_rows (int): Rows of the sentences before.
    most_rows (int): Rows of the data file.
    RETURNS (NDArray): RECORD (n_records,): each begins where the one before ends, and all end in the data file.
    """
    records: NDArray[np.void] = np.frombuffer(data, RECORD, count=len(data) // RECORD.itemsize)
    ends = records["first"] + records["n_rows"]
    starts = np.concatenate([[n_rows], ends[:-1]])
    good = (records["first"] == starts) & (records["n_rows"] > 0) & (ends <= most_rows)
    return records if good.all() else records[: int(np.argmin(good))]


class Store:
    """The sentences of a data file and its index, read through a memory map: see `open`. No file stays open.

    path (Path): Of the data file; the index is beside it. Both may be missing.
    width (int): Numbers in a row.
    dtype (str): Of a number.
    index_path (Path): Of the index.
    row_bytes (int): Size of a row.
    n_records (int): Records of the index so far.
    n_rows (int): Rows of the data file so far.
    is_damaged (bool): Whether damage was found.
    """

    def __init__(self, path: Path, *, width: int, dtype: str):
        self.path = path
        self.index_path = path.with_suffix(".index")
        self.dtype: np.dtype[np.floating] = np.dtype(dtype).newbyteorder("<")
        self.row_bytes: int = width * self.dtype.itemsize
        self.n_records = 0
        self.n_rows = 0
        self.is_damaged = False
        self._width = width
        self._index_size = 0
        # Each is the fields of a `Place`.
        self._places: dict[bytes, tuple[int, int, int | None]] = {}
        self._rows: Rows = np.empty((0, width), self.dtype)

    @classmethod
    def open(cls, path: Path, *, width: int, dtype: str) -> "Store":
        """Read the index of a data file.

        path (Path): Of the data file; the index is beside it. Both may be missing.
        width (int): Numbers in a row.
        dtype (str): Of a number.
        RETURNS (Store): Its sentences.
        """
        store = cls(path, width=width, dtype=dtype)
        store.refresh()
        return store

    def __len__(self) -> int:
        return len(self._places)

    @property
    def size(self) -> int:
        """Bytes of both files, without what a killed process has left at their ends."""
        return self.n_rows * self.row_bytes + self.n_records * RECORD.itemsize

    @property
    def has_changed(self) -> bool:
        """Whether the index has another size than when it was last read."""
        return _size(self.index_path) != self._index_size

    def refresh(self) -> bool:
        """Read what was added to the files since the last call.

        RETURNS (bool): Whether anything was added.
        """
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
        # After the index has been read: a writer writes rows before their records.
        most_rows = _size(self.path) // self.row_bytes
        records = read_records(data, n_rows=self.n_rows, most_rows=most_rows)
        places = zip(records["first"].tolist(), records["n_rows"].tolist(), records["checksum"].tolist())
        # Of two records of a sentence, the later one replaces a damaged one.
        self._places.update(zip(records["digest"].tolist(), places))
        self.n_records += len(records)
        self.n_rows += int(records["n_rows"].sum())
        return len(records) > 0

    def add(self, places: dict[bytes, Place]) -> None:
        """Add sentences that were just written to the files.

        places (dict[bytes, Place]): By digest.
        """
        self._places.update(places)
        self.n_records += len(places)
        self.n_rows += sum(place.n_rows for place in places.values())

    def find(self, digest: bytes) -> Rows | None:
        """Find the layers of a sentence.

        digest (bytes): Of the sentence.
        RETURNS (Rows | None): (n_tokens, width), a read-only part of the map; None if it is missing, or damaged:
            then it is removed.
        """
        known = self._places.get(digest)
        if known is None:
            return None
        first, n_rows, checksum = known
        if first + n_rows > len(self._rows):
            self._map()
        rows = self._rows[first : first + n_rows]
        if checksum is not None:
            if len(rows) < n_rows or make_place(digest, rows, first=first).checksum != checksum:
                self.is_damaged = True
                del self._places[digest]
                return None
            self._places[digest] = (first, n_rows, None)
        return rows

    def check_size(self) -> None:
        """Forget all sentences if another program has truncated the file: a process that reads a map beyond the
        end of its file is killed."""
        if len(self._rows) * self.row_bytes > _size(self.path):
            self.is_damaged = True
            self._places.clear()
            self.unmap()

    def unmap(self) -> None:
        """Release the memory map; it is made again when it is needed."""
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
        # Not numpy.memmap, whose slices take several times as long.
        self._rows = np.frombuffer(mapped, self.dtype).reshape(n_rows, self._width)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
