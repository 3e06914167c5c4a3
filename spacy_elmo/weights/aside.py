"""Weights that are needed again only to be saved: kept, but out of memory."""

import mmap
import tempfile
from typing import Any

import numpy as np

from .arrays import Arrays


def set_aside(arrays: Arrays) -> Arrays:
    """The same arrays as views into a file: those that are memory-mapped already as they are, others in a
    temporary file that goes away with them.

    Where no temporary file can be written, they stay in memory.
    """
    if all(_is_mapped(array) for array in arrays.values()):
        return dict(arrays)
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
