"""The files of one cache while they are used: found, kept, counted and reported."""

import logging
import math
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Warnings
from .identity import Embeds, identity, key_of
from .settings import CacheSettings
from .store import Store
from .writer import Writer, open_writer

logger = logging.getLogger("spacy.elmo")


class Session:
    """Opens the files, makes them if need be, and logs what is there.

    settings: where, in what precision and how much. elmo: whose layers they are. widths: of each layer, lowest
    first. writes: unless another process does, or it is not possible.
    """

    def __init__(self, settings: CacheSettings, *, elmo: Embeds, widths: Mapping[str, int], writes: bool):
        about = identity(elmo, dtype=settings.dtype)
        path = Path(settings.folder) / f"{key_of(about)}.layers"
        self.width = sum(widths.values())
        self._settings = settings
        self._store = Store(path, width=self.width, dtype=settings.dtype)
        self._writer: Writer | None = None
        self._asked = self._there = 0
        self._said_full = self._said_damaged = self._closed = False
        if writes:
            about = {"what": "layers of spacy_elmo", "source": elmo.source, "columns": dict(widths), **about}
            self._writer = open_writer(self._store, about=about, limit=settings.limit)
        logger.info("Layer cache: %s", self.report())

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Of the numbers that are stored."""
        dtype: np.dtype[Any] = self._store.dtype
        return dtype

    def find(self, digests: Collection[bytes]) -> dict[bytes, NDArray[Any]]:
        """Rows of the sentences that are stored, (n_tokens, width) each."""
        store = self._store
        store.check()
        found = self._found(digests)
        if len(found) < len(set(digests)) and store.grown and store.refresh():
            found = self._found(digests)
        if store.damaged and not self._said_damaged:
            self._said_damaged = True
            warnings.warn(Warnings.WL012.format(path=store.path), UserWarning, stacklevel=2)
        self._asked += len(digests)
        self._there += sum(digest in found for digest in digests)
        return found

    def keep(self, rows: Mapping[bytes, NDArray[Any]]) -> None:
        """Store sentences, as far as that is possible; rows are (n_tokens, width), of `dtype`."""
        if self._writer is None:
            return
        self._writer.append(rows)
        if self._writer.full and not self._said_full:
            self._said_full = True
            logger.warning("The layer cache is full; what is not in it is computed each time: %s", self.report())

    def report(self) -> str:
        """What is stored, and how much of what was asked for was there."""
        store, settings = self._store, self._settings
        sizes = f"{readable(store.size)} of {settings.max_gb:g} GB in {settings.folder}"
        text = f"{len(store):,} sentences, {store.n_rows:,} tokens, {sizes}"
        if self._asked == 0:
            return text
        # Rounded down: 100 % are all of them.
        share = math.floor(1000 * self._there / self._asked) / 10
        return f"{text}; {share} % of the sentences asked for were there"

    def close(self) -> None:
        """Log a report, and let another process write. What is stored can still be found."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._store.unmap()
        if not self._closed:
            self._closed = True
            logger.info("Layer cache: %s", self.report())

    def _found(self, digests: Collection[bytes]) -> dict[bytes, NDArray[Any]]:
        found = {digest: self._store.find(digest) for digest in digests}
        return {digest: rows for digest, rows in found.items() if rows is not None}


def readable(n_bytes: float) -> str:
    """A size for people, in three digits."""
    units: list[Any] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)]
    unit, size = next((one for one in units if n_bytes >= one[1]), units[-1])
    return f"{n_bytes / size:.3g} {unit}"
