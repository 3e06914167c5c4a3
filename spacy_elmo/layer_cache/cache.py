"""Layers from disk where they are stored, from the biLM otherwise."""

import logging
import math
import warnings
import weakref
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..bilm.layers import Layers
from ..errors import ElmoError, Errors, Warnings
from ..runtime.forks import ForkLock
from ..runtime.isolation import isolate
from .settings import CacheSettings, Embeds, cached_layers, identity, key_of
from .store import Store, digests
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


class LayerCache:
    """An Elmo that remembers, on disk, what it has computed: word_emb and every LSTM layer, not the mix.

    The weights must not change as long as the cache is used. What a sentence gives does not depend on whether it
    was stored: with dtype "float16" it is rounded the first time too. As ever, layers differ a little by what else
    was in the batch that they were computed in; a sentence that is stored keeps those of its first.

    Files are opened at first use. One process writes them; others only read, and so does a copy of this object,
    whether pickled or not. Several threads may ask at a time.

    settings: where, in what precision and how much. elmo: computes what is not there.
    RAISES (ElmoError): If the Elmo carries state from one batch to the next.
    """

    def __init__(self, settings: CacheSettings, *, elmo: Embeds):
        if elmo.settings.initial_state == "carry":
            raise ElmoError(Errors.EL107)
        self.settings = settings
        self._elmo = elmo
        self._widths = {name: elmo.width(name) for name in cached_layers(elmo)}
        self._writes = True
        self._session: Session | None = None
        self._lock = ForkLock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reader, (self.settings, self._elmo)

    def embed_flat(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[np.float32]]:
        """Embed tokenised sentences: one after the other in one array a layer, without the mix.

        sentences (Sequence[Sequence[str]]): Their tokens.
        RETURNS (dict[str, NDArray]): By layer, lowest first: word_emb (n, P), the others (n, 2P), where n is the
            number of all tokens; float32.
        RAISES (ElmoError): If a sentence is not a list of str.
        """
        asked = [(digest, tokens) for digest, tokens in zip(digests(sentences), sentences) if len(tokens)]
        with self._lock, isolate():
            session = self._opened()
            blocks = session.find([digest for digest, _ in asked])
            missing = {digest: tokens for digest, tokens in asked if digest not in blocks}
            if missing:
                blocks.update(self._compute(session, missing))
            nothing = np.empty((0, session.width), session.dtype)
            rows = np.concatenate([nothing, *(blocks[digest] for digest, _ in asked)])
        flat, start = {}, 0
        for name, width in self._widths.items():
            flat[name] = rows[:, start : start + width].astype(np.float32, order="C")
            start += width
        return flat

    def report(self) -> str:
        """What is stored, and how much of what was asked for was there."""
        with self._lock:
            return self._opened().report()

    def close(self) -> None:
        """Log a report, and let another process write. The cache can still be asked, but adds nothing.

        Whoever does not call this has it done when the cache is no longer needed, or the process ends.
        """
        with self._lock:
            self._writes = False
            if self._session is not None:
                self._session.close()

    def _opened(self) -> Session:
        if self._session is None:
            self._session = Session(self.settings, elmo=self._elmo, widths=self._widths, writes=self._writes)
            weakref.finalize(self, self._session.close)
        return self._session

    def _compute(self, session: Session, sentences: Mapping[bytes, Sequence[str]]) -> dict[bytes, NDArray[Any]]:
        """Rows of sentences that are not stored, and are from here on, where they can be."""
        outputs = self._elmo.embed(list(sentences.values()), layers=cast(Layers, list(self._widths)))
        blocks, storable = {}, {}
        for digest, output in zip(sentences, outputs, strict=True):
            exact = np.concatenate([array for _, array in output.items()], axis=1).astype(np.float32, copy=False)
            with np.errstate(over="ignore", under="ignore"):
                rows = exact.astype(session.dtype, copy=False)
            if session.dtype.itemsize == 2 and not np.isfinite(rows).all():
                # Beyond what float16 holds.
                blocks[digest] = exact
            else:
                blocks[digest] = storable[digest] = rows
        session.keep(storable)
        return blocks


def _reader(settings: CacheSettings, elmo: Embeds) -> LayerCache:
    cache = LayerCache(settings, elmo=elmo)
    cache._writes = False
    return cache
