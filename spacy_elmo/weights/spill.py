"""Weights that are needed again only to be saved: kept, but out of memory."""

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors
from .arrays import Arrays

StoredArrays = Mapping[str, NDArray[np.floating]]


class _Watched(NamedTuple):
    """A file that arrays are mapped from, and what it was then. It stays open: another file may take its name."""

    path: str
    handle: int
    size: int
    modified: int


class SpilledArrays(Mapping[str, NDArray[np.floating]]):
    """Arrays in files, by their names.

    RAISES: ValueError when an array is taken, if its file was written to in the meantime: its numbers are lost,
        and to read beyond the end of a file that was cut would kill the process.
    """

    def __init__(self, arrays: Arrays):
        self._arrays = arrays
        paths = dict.fromkeys(filter(None, map(_mapped_path, arrays.values())))
        self._watched: list[_Watched] = [watched for watched in map(self._watch, paths) if watched is not None]

    def __getitem__(self, name: str) -> NDArray[np.floating]:
        array = self._arrays[name]
        for file in self._watched:
            now = os.fstat(file.handle)
            if (now.st_size, now.st_mtime_ns) != (file.size, file.modified):
                raise ValueError(Errors.EL260.format(path=file.path))
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def _watch(self, path: str) -> _Watched | None:
        try:
            handle = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        weakref.finalize(self, os.close, handle)
        facts = os.fstat(handle)
        return _Watched(path, handle, facts.st_size, facts.st_mtime_ns)


def spill(arrays: Arrays) -> StoredArrays:
    """The same arrays as views into a file: those that are memory-mapped already as they are, others in a
    temporary file that goes away with them.

    Where no temporary file can be written, they stay in memory.
    """
    if all(_is_mapped(array) for array in arrays.values()):
        return SpilledArrays(dict(arrays))
    try:
        with tempfile.TemporaryFile(prefix="spacy-elmo-") as file:
            starts = []
            for array in arrays.values():
                starts.append(file.tell())
                file.write(np.ascontiguousarray(array).tobytes())
                # So that each begins at a multiple of any item's size.
                file.write(bytes(-file.tell() % 16))
            file.flush()
            data = np.memmap(file, dtype=np.uint8, mode="c")
    except OSError:
        return dict(arrays)
    return {
        name: np.asarray(data[start : start + array.nbytes]).view(array.dtype).reshape(array.shape)
        for (name, array), start in zip(arrays.items(), starts)
    }


def _is_mapped(array: Any) -> bool:
    while isinstance(array, (np.ndarray, memoryview)):
        if isinstance(array, np.memmap):
            return True
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return isinstance(array, mmap.mmap)


def _mapped_path(array: Any) -> str | None:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array.filename is not None:
            return str(array.filename)
        array = array.base
    return None
