"""Original weights kept outside memory, because only saving needs them again."""

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ElmoError, Errors
from .arrays import Arrays

StoredArrays = Mapping[str, NDArray[np.floating]]


class _Watched(NamedTuple):
    """A file that arrays are mapped from. It stays open, because another file may take its name.

    path (str): Its path.
    handle (int): The open file.
    size (int): Its size when it was mapped.
    modified (int): The time of its last change before that, in nanoseconds.
    """

    path: str
    handle: int
    size: int
    modified: int


class SpilledArrays(Mapping[str, NDArray[np.floating]]):
    """Arrays that are mapped from files.

    Reading an array whose file has changed raises a ValueError: its numbers are lost, and reading beyond the end
    of a truncated file would kill the process.
    """

    def __init__(self, arrays: Arrays):
        """Remember the state of the files.

        arrays (Arrays): The mapped arrays.
        """
        self._arrays = arrays
        paths = dict.fromkeys(filter(None, map(_mapped_path, arrays.values())))
        self._watched: list[_Watched] = [watched for watched in map(self._watch, paths) if watched is not None]

    def __getitem__(self, name: str) -> NDArray[np.floating]:
        array = self._arrays[name]
        for file in self._watched:
            now = os.fstat(file.handle)
            if (now.st_size, now.st_mtime_ns) != (file.size, file.modified):
                raise ElmoError(Errors.EL260.format(path=file.path))
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
    """Move arrays from memory to a file.

    If all are memory-mapped already, they stay where they are; else they go to a temporary file that is removed
    with them. If no temporary file can be written, they stay in memory.

    arrays (Arrays): The arrays.
    RETURNS (StoredArrays): The same arrays as views into a file.
    """
    if all(_is_mapped(array) for array in arrays.values()):
        return SpilledArrays(dict(arrays))
    try:
        with tempfile.TemporaryFile(prefix="spacy-elmo-") as file:
            starts = []
            for array in arrays.values():
                starts.append(file.tell())
                file.write(np.ascontiguousarray(array).tobytes())
                # Each array starts at a multiple of any item's size.
                file.write(bytes(-file.tell() % 16))
            file.flush()
            data = np.memmap(file, dtype=np.uint8, mode="c")
    except OSError:
        return dict(arrays)
    return {
        name: np.asarray(data[start : start + array.nbytes]).view(array.dtype).reshape(array.shape)
        for (name, array), start in zip(arrays.items(), starts)
    }


def _is_mapped(owner: object) -> bool:
    while isinstance(owner, (np.ndarray, memoryview)):
        if isinstance(owner, np.memmap):
            return True
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    return isinstance(owner, mmap.mmap)


def _mapped_path(owner: object) -> str | None:
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap) and owner.filename is not None:
            return str(owner.filename)
        owner = owner.base
    return None
