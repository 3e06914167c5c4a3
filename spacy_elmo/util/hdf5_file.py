"""Writing of HDF5 files: a failed write is reported at once, and never seen by the library."""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import h5py
from numpy.typing import ArrayLike

from .atomic import atomic_write

if TYPE_CHECKING:
    from typing_extensions import Buffer


class HDF5Writer:
    """Writes datasets to the file of `write_hdf5`.

    file (h5py.File): The file, for its attributes.
    """

    def __init__(self, file: "h5py.File", target: "_Target"):
        """Hold the file.

        file (h5py.File): The file.
        target (_Target): What h5py writes to.
        """
        self.file = file
        self._target = target

    def add(
        self, name: str, data: ArrayLike, *, attributes: Mapping[str, str] | None = None, **settings: object
    ) -> None:
        """Write a dataset.

        name (str): Its name.
        data (ArrayLike): Its numbers or strings.
        attributes (Mapping[str, str] | None): Its attributes.
        settings (object): As for h5py's create_dataset.
        RAISES (OSError): If a write has failed.
        """
        try:
            dataset = self.file.create_dataset(name, data=data, **settings)
            for key, value in (attributes or {}).items():
                dataset.attrs[key] = value
        finally:
            self.check()

    def check(self) -> None:
        """Report an error of the writes so far.

        RAISES (OSError): If a write has failed; an interrupt during one is raised too.
        """
        if self._target.error is not None:
            raise self._target.error


@contextmanager
def write_hdf5(path: Path) -> Iterator[HDF5Writer]:
    """Write an HDF5 file, which appears under its name when the block ends without an error.

    path (Path): The file.
    YIELDS (HDF5Writer): The writer of its datasets.
    RAISES (OSError): As `atomic_write`.
    """
    with atomic_write(path) as temporary, temporary.open("r+b", buffering=0) as raw:
        target = _Target(raw)
        file = h5py.File(target, "w")
        writer = HDF5Writer(file, target)
        try:
            yield writer
        except BaseException:
            # Closing may fail because of missing blocks; the original error is the one to report.
            with suppress(Exception):
                file.close()
            raise
        file.close()
        writer.check()


class _Target(io.RawIOBase):
    """The file that h5py writes to.

    Errors are kept from the library, which cannot give up a file whose last blocks it is unable to write, and
    crashes when the process ends.
    """

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

    def write(self, data: "Buffer", /) -> int:
        # Called several times for each dataset, with the library's bytes.
        view = memoryview(data)
        size, place = view.nbytes, self._place
        if self.error is None:
            try:
                done = _write_at(self._handle, view, place)
                while done < size:
                    done += _write_at(self._handle, view[done:], place + done)
            except BaseException as error:  # Interrupts too: they are raised after the library has returned.
                self.error = error
        self._place = place + size
        return size

    def readinto(self, buffer: "Buffer", /) -> int:
        view = memoryview(buffer).cast("B")
        self._raw.seek(self._place)
        got = self._raw.readinto(view) or 0  # type: ignore[attr-defined]
        # Nothing was written after these bytes.
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


def _seek_and_write(handle: int, data: memoryview, place: int) -> int:
    os.lseek(handle, place, os.SEEK_SET)
    return os.write(handle, data)


# Not on Windows.
_write_at: Callable[[int, memoryview, int], int] = getattr(os, "pwrite", _seek_and_write)
