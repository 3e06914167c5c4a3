"""Writing the cache: one process at a time, within a limit of size, and only whole sentences."""

import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ReasonError, Warnings
from ..util.atomic import atomic_write
from .store import RECORD, Place, Rows, Store, make_place, pack_record

logger = logging.getLogger("spacy.elmo")


class Writer:
    """Adds sentences to a store's files: see `open_writer`.

    store (Store): Reads the files.
    unlock (Callable[[], None]): Releases the lock on the files.
    limit (int): Largest size of the files together, in bytes.
    is_full (bool): Whether a sentence did not fit.
    """

    def __init__(self, store: Store, *, unlock: Callable[[], None], limit: int):
        self._store = store
        self._unlock = unlock
        self._limit = limit
        self._process = os.getpid()
        self._failed = False
        self.is_full = False

    @property
    def is_active(self) -> bool:
        """Whether this object may write: after a fork, the child has a copy of it, but not the lock."""
        return not self._failed and self._process == os.getpid()

    def append(self, sentences: Mapping[bytes, Rows]) -> None:
        """Write as many sentences as the limit allows. If it fails, there is a warning, and this object writes
        nothing more.

        sentences (Mapping[bytes, Rows]): By digest; (n_tokens, width) each, in the store's dtype.
        """
        if not self.is_active:
            return
        try:
            self._append(sentences)
        except (OSError, ReasonError) as error:
            self._failed = True
            text = Warnings.WL011.format(path=self._store.path, reason=error)
            warnings.warn(text, UserWarning, stacklevel=2)

    def close(self) -> None:
        """Release the lock, so that another process can write."""
        if self._process == os.getpid():
            self._unlock()
        self._failed = True

    def _append(self, sentences: Mapping[bytes, Rows]) -> None:
        store = self._store
        # After an interrupt there may be records that the store does not know. Other processes may have read them:
        # their rows must stay.
        store.refresh()
        size, n_rows = store.size, store.n_rows
        places: dict[bytes, Place] = {}
        for digest, rows in sentences.items():
            grown = size + RECORD.itemsize + rows.nbytes
            if grown > self._limit:
                self.is_full = True
                continue
            size = grown
            places[digest] = make_place(digest, rows, first=n_rows)
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
        # The system has the rows before any of their records: a process may be killed between the two. If the
        # machine fails, it may keep records without their rows, which the checksums show. Records are not removed
        # after a failure: another process may have read them.
        with _open_at(store.index_path, store.n_records * RECORD.itemsize) as index:
            index.write(b"".join(pack_record(*item) for item in places.items()))
        store.add(places)


def open_writer(store: Store, *, about: Mapping[str, object], limit: int) -> Writer | None:
    """Lock a store's files to write them.

    store (Store): Reads the files.
    about (Mapping[str, object]): A description for people, which is written beside the files as JSON.
    limit (int): Largest size of the files together, in bytes.
    RETURNS (Writer | None): None if another process writes them, which is logged, or if they cannot be written,
        with a warning.
    """
    # Imported here: pipelines without a cache do not need it, and spaCy imports the component for every pipeline.
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
            # Opening a named pipe would wait for a reader.
            if file.exists() and not file.is_file():
                raise ReasonError(f"'{file.name}' is not a regular file")
            file.open("ab").close()
        with atomic_write(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(about, indent=2) + "\n", "utf-8")
    except (OSError, ReasonError) as error:
        lock.release()
        warnings.warn(Warnings.WL010.format(path=path, reason=error), UserWarning, stacklevel=2)
        return None
    # With the lock, nothing is added by others: this reads the last sentences of an earlier writer.
    store.refresh()
    return Writer(store, unlock=lock.release, limit=limit)


def _open_at(path: Path, size: int) -> BinaryIO:
    """Open a file to continue after `size` bytes. What follows was never completed, and is removed."""
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
