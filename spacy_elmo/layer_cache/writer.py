"""The writing side: one process at a time, within the room there is, and nothing but whole sentences."""

import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ReasonError, Warnings
from ..util.atomic import atomic_write
from .store import RECORD, Place, Store, pack, place

logger = logging.getLogger("spacy.elmo")


class Writer:
    """Adds sentences to a store's files. Made by `open_writer`.

    unlock: lets go of the lock that is held. limit: bytes that the files may take together.
    """

    def __init__(self, store: Store, *, unlock: Callable[[], None], limit: int):
        self._store = store
        self._unlock = unlock
        self._limit = limit
        self._process = os.getpid()
        self._failed = False
        self.full = False

    @property
    def writes(self) -> bool:
        # A forked process has a copy of this object, but not the lock.
        return not self._failed and self._process == os.getpid()

    def append(self, sentences: Mapping[bytes, NDArray[Any]]) -> None:
        """Write as many of these sentences as there is room for, (n_tokens, width) each, in the store's dtype.

        Where that fails there is a warning, once, and nothing is written from then on.
        """
        if not self.writes:
            return
        try:
            self._append(sentences)
        except (OSError, ReasonError) as error:
            self._failed = True
            text = Warnings.WL011.format(path=self._store.path, reason=error)
            warnings.warn(text, UserWarning, stacklevel=2)

    def close(self) -> None:
        """Let another process write."""
        if self._process == os.getpid():
            self._unlock()
        self._failed = True

    def _append(self, sentences: Mapping[bytes, NDArray[Any]]) -> None:
        store = self._store
        # An interrupt may have come after records were written and before they were noted. Other processes may
        # have read them, so that their rows must stay.
        store.refresh()
        size, n_rows = store.size, store.n_rows
        places: dict[bytes, Place] = {}
        for digest, rows in sentences.items():
            grown = size + RECORD.itemsize + rows.nbytes
            if grown > self._limit:
                self.full = True
                continue
            size = grown
            places[digest] = place(digest, rows, first=n_rows)
            n_rows += len(rows)
        if not places:
            return
        data_size = store.n_rows * store.row_bytes
        data = _open_at(store.path, data_size)
        try:
            with data:
                data.write(np.concatenate([sentences[digest] for digest in places]).data)
        except OSError:
            with suppress(OSError):
                os.truncate(store.path, data_size)
            raise
        # The rows are with the system before any record tells of them: a process may be killed between the two.
        # A machine may fail, and keep the records without the rows: that is what their checksums are for.
        # Records are not taken back: another process may have read those that were written before a failure.
        with _open_at(store.index_path, store.n_records * RECORD.itemsize) as index:
            index.write(b"".join(pack(*item) for item in places.items()))
        store.add(places)


def open_writer(store: Store, *, about: Mapping[str, Any], limit: int) -> Writer | None:
    """Make ready to write a store's files.

    about: what a person finds beside the files, as JSON.
    RETURNS: None if another process writes them, which is logged, or if they cannot be written, with a warning.
    """
    # Pipelines without a cache do not need it, and spaCy imports the component for every pipeline.
    from filelock import FileLock, Timeout

    path = store.path
    lock = FileLock(path.with_suffix(".lock"), timeout=0, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        logger.warning(
            "Another pipeline, here or in another process, writes the layer cache %s: this one only reads it.",
            path,
        )
        return None
    except (OSError, NotImplementedError) as error:
        warnings.warn(Warnings.WL010.format(path=path, reason=error), UserWarning, stacklevel=2)
        return None
    try:
        for file in (path, store.index_path):
            # To open a named pipe would wait for a reader.
            if file.exists() and not file.is_file():
                raise ReasonError(f"'{file.name}' is not a regular file")
            file.open("ab").close()
        with atomic_write(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    except (OSError, ReasonError) as error:
        lock.release()
        warnings.warn(Warnings.WL010.format(path=path, reason=error), UserWarning, stacklevel=2)
        return None
    # Nobody adds anything from here on: what the one before has written last is seen.
    store.refresh()
    return Writer(store, unlock=lock.release, limit=limit)


def _open_at(path: Path, size: int) -> BinaryIO:
    """Open a file to write on from there. What is behind is cut off: it was never finished."""
    file = path.open("r+b")
    try:
        there = file.seek(0, os.SEEK_END)
        if there < size:
            raise ReasonError("another program has shortened the file")
        if there > size:
            file.truncate(size)
        file.seek(size)
    except BaseException:
        file.close()
        raise
    return file
