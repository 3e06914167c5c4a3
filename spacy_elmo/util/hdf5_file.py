"""The writer of every HDF5 file: a failed write is an error at once, and none of it happens inside the library."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from .atomic import atomic_write


class HDF5Writer:
    """Puts datasets into a file that is being written. file: for its attributes. Made by `write_hdf5`."""

    def __init__(self, file: "h5py.File", target: "_Target"):
        self.file = file
        self._target = target

    def add(self, name: str, data: Any, **settings: Any) -> None:
        """Write a dataset; settings as for h5py's create_dataset.

        RAISES (OSError): If the disk did not take it.
        """
        try:
            self.file.create_dataset(name, data=data, **settings)
        finally:
            self.check()

    def check(self) -> None:
        """RAISES (OSError): Or an interrupt, that a write so far has met."""
        if self._target.error is not None:
            raise self._target.error


@contextmanager
def write_hdf5(path: Path) -> Iterator[HDF5Writer]:
    """Give a writer to a file that appears under its name when the block ends well.

    RAISES: as `atomic_write`.
    """
    with atomic_write(path) as temporary, temporary.open("r+b", buffering=0) as raw:
        target = _Target(raw)
        file = h5py.File(target, "w")
        writer = HDF5Writer(file, target)
        try:
            yield writer
        except BaseException:
            # The library may stumble over what was not written; the reason is the one that is under way.
            with suppress(Exception):
                file.close()
            raise
        file.close()
        writer.check()


class _Target(io.RawIOBase):
    """What h5py writes to. An error is kept, and the library told that all is well: it cannot give up a file whose
    last blocks it is unable to write, and crashes when the process ends."""

    def __init__(self, raw: BinaryIO):
        self._raw = raw
        self._handle = raw.fileno()
        self._place = 0
        self.error: BaseException | None = None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset if whence == io.SEEK_SET else self._raw.seek(offset, whence)
        return self._place

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        # Called several times a dataset: of bytes, as the library gives them.
        size, place = len(data), self._place
        if self.error is None:
            try:
                done = _write_at(self._handle, data, place)
                while done < size:
                    done += _write_at(self._handle, data[done:], place + done)
            except BaseException as error:  # An interrupt too: it is raised once the library has returned.
                self.error = error
        self._place = place + size
        return size

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        self._raw.seek(self._place)
        got = self._raw.readinto(view) or 0  # type: ignore[attr-defined]
        # Nothing was written behind that.
        view[got:] = bytes(len(view) - got)
        self._place += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        size = self._place if size is None else size
        if self.error is None:
            try:
                self._raw.truncate(size)
            except BaseException as error:
                self.error = error
        return size


def _seek_and_write(handle: int, data: Any, place: int) -> int:
    os.lseek(handle, place, os.SEEK_SET)
    return os.write(handle, data)


# Not on Windows.
_write_at: Callable[[int, Any, int], int] = getattr(os, "pwrite", _seek_and_write)
