"""Layers from disk if they are stored, else from the biLM."""

import logging
import math
import warnings
import weakref
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..bilm.layers import LayerName
from ..errors import ElmoError, Errors, Warnings
from ..runtime.forks import ForkLock
from ..runtime.isolation import isolate
from .fingerprint import EmbeddingModel, describe_layers, list_cached_layers, make_key
from .settings import CacheSettings
from .store import Rows, Store, hash_sentences
from .writer import Writer, open_writer

logger = logging.getLogger("spacy.elmo")


class Session:
    """The open files of a cache: see `open`.

    settings (CacheSettings): Of the cache.
    store (Store): Reads the files.
    writer (Writer | None): Writes the files; None: another process does, or it is not possible.
    """

    def __init__(self, settings: CacheSettings, *, store: Store, writer: Writer | None):
        self._settings = settings
        self._store = store
        self._writer = writer
        self._n_requests = self._n_hits = 0
        self._has_reported_full = self._has_reported_damage = self._is_closed = False

    @classmethod
    def open(
        cls, settings: CacheSettings, *, elmo: EmbeddingModel, widths: Mapping[LayerName, int], writes: bool
    ) -> "Session":
        """Open the files, create them if needed, and log what is there.

        settings (CacheSettings): Of the cache.
        elmo (EmbeddingModel): Computes the layers.
        widths (Mapping[LayerName, int]): Of each layer, lowest first.
        writes (bool): Write the files, unless another process does.
        RETURNS (Session): The open files.
        """
        about = describe_layers(elmo, dtype=settings.dtype)
        path = Path(settings.folder) / f"{make_key(about)}.layers"
        store = Store.open(path, width=sum(widths.values()), dtype=settings.dtype)
        writer = None
        if writes:
            about = {"what": "layers of spacy_elmo", "source": elmo.source, "columns": dict(widths), **about}
            writer = open_writer(store, about=about, limit=settings.limit)
        session = cls(settings, store=store, writer=writer)
        logger.info("Layer cache: %s", session.report())
        return session

    @property
    def dtype(self) -> "np.dtype[np.floating]":
        """Of the stored numbers."""
        return self._store.dtype

    def find(self, digests: Collection[bytes]) -> dict[bytes, Rows]:
        """Find stored sentences.

        digests (Collection[bytes]): Of the sentences.
        RETURNS (dict[bytes, Rows]): Those that are stored, (n_tokens, width) each.
        """
        store = self._store
        store.check_size()
        found = self._find_all(digests)
        if len(found) < len(set(digests)) and store.has_changed and store.refresh():
            found = self._find_all(digests)
        if store.is_damaged and not self._has_reported_damage:
            self._has_reported_damage = True
            warnings.warn(Warnings.WL012.format(path=store.path), UserWarning, stacklevel=2)
        self._n_requests += len(digests)
        self._n_hits += sum(digest in found for digest in digests)
        return found

    def write(self, rows: Mapping[bytes, Rows]) -> None:
        """Store sentences, if this process writes the files and there is space.

        rows (Mapping[bytes, Rows]): By digest; (n_tokens, width), of `dtype`.
        """
        if self._writer is None:
            return
        self._writer.append(rows)
        if self._writer.is_full and not self._has_reported_full:
            self._has_reported_full = True
            logger.warning("The layer cache is full; what is not in it is computed each time: %s", self.report())

    def report(self) -> str:
        """Describe what is stored, and how many requests it has answered.

        RETURNS (str): One line.
        """
        store, settings = self._store, self._settings
        sizes = f"{format_size(store.size)} of {settings.max_gb:g} GB in {settings.folder}"
        text = f"{len(store):,} sentences, {store.n_rows:,} tokens, {sizes}"
        if self._n_requests == 0:
            return text
        # Rounded down: 100 % means all of them.
        share = math.floor(1000 * self._n_hits / self._n_requests) / 10
        return f"{text}; {share} % of the sentences asked for were there"

    def close(self) -> None:
        """Log a report, and let another process write. Stored sentences can still be found."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._store.unmap()
        if not self._is_closed:
            self._is_closed = True
            logger.info("Layer cache: %s", self.report())

    def _find_all(self, digests: Collection[bytes]) -> dict[bytes, Rows]:
        found = {digest: self._store.find(digest) for digest in digests}
        return {digest: rows for digest, rows in found.items() if rows is not None}


def format_size(n_bytes: float) -> str:
    """Format a size for people.

    n_bytes (float): The size.
    RETURNS (str): Three digits and a unit.
    """
    units = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)]
    unit, size = next((unit for unit in units if n_bytes >= unit[1]), units[-1])
    return f"{n_bytes / size:.3g} {unit}"


class LayerCache:
    """An Elmo whose layers are stored on disk once they are computed: word_emb and every LSTM layer, not the mix.

    The weights must not change while the cache is used. Results do not depend on whether a sentence was stored:
    with dtype "float16", layers are rounded at first use, too. As always, layers depend a little on the batch in
    which they were computed; stored sentences keep those of their first batch.

    Files are opened at first use. One process writes them; others only read, and so does a copy of this object,
    pickled or not. Several threads may use it at a time.

    settings (CacheSettings): Where layers are stored, in what precision, and how many.
    elmo (EmbeddingModel): Computes layers that are not stored.
    RAISES (ElmoError): If the Elmo carries state from one batch to the next.
    """

    def __init__(self, settings: CacheSettings, *, elmo: EmbeddingModel):
        if elmo.settings.initial_state == "carry":
            raise ElmoError(Errors.EL107)
        self.settings = settings
        self._elmo = elmo
        self._widths = {name: elmo.width(name) for name in list_cached_layers(elmo)}
        self._writes = True
        self._session: Session | None = None
        self._lock = ForkLock()

    def __reduce__(self) -> tuple[object, ...]:
        return _make_reader, (self.settings, self._elmo)

    def embed_flat(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[np.float32]]:
        """Embed tokenized sentences: one after the other in one array a layer, without the mix.

        sentences (Sequence[Sequence[str]]): Their tokens.
        RETURNS (dict[str, NDArray]): By layer, lowest first: word_emb (n, P), the others (n, 2P), where n is the
            number of all tokens; float32.
        RAISES (ElmoError): If a sentence is not a list of str.
        """
        requests = [
            (digest, tokens) for digest, tokens in zip(hash_sentences(sentences), sentences) if len(tokens)
        ]
        with self._lock, isolate():
            session = self._open()
            blocks = session.find([digest for digest, _ in requests])
            missing = {digest: tokens for digest, tokens in requests if digest not in blocks}
            if missing:
                blocks.update(self._compute(session, missing))
            nothing = np.empty((0, sum(self._widths.values())), session.dtype)
            rows = np.concatenate([nothing, *(blocks[digest] for digest, _ in requests)])
        flat: dict[str, NDArray[np.float32]] = {}
        start = 0
        for name, width in self._widths.items():
            flat[name] = rows[:, start : start + width].astype(np.float32, order="C")
            start += width
        return flat

    def report(self) -> str:
        """Describe what is stored, and how many requests it has answered.

        RETURNS (str): One line.
        """
        with self._lock:
            return self._open().report()

    def close(self) -> None:
        """Log a report, and let another process write. The cache can still be read, but stores nothing more.

        This also happens when the cache is no longer referenced, or the process ends.
        """
        with self._lock:
            self._writes = False
            if self._session is not None:
                self._session.close()

    def _open(self) -> Session:
        if self._session is None:
            self._session = Session.open(self.settings, elmo=self._elmo, widths=self._widths, writes=self._writes)
            weakref.finalize(self, self._session.close)
        return self._session

    def _compute(self, session: Session, sentences: Mapping[bytes, Sequence[str]]) -> dict[bytes, Rows]:
        """Compute the layers of sentences that are not stored, and store them if possible."""
        outputs = self._elmo.embed(list(sentences.values()), layers=list(self._widths))
        blocks: dict[bytes, Rows] = {}
        storable: dict[bytes, Rows] = {}
        for digest, output in zip(sentences, outputs, strict=True):
            exact: Rows = np.concatenate([array for _, array in output.items()], axis=1)
            exact = exact.astype(np.float32, copy=False)
            with np.errstate(over="ignore", under="ignore"):
                rows = exact.astype(session.dtype, copy=False)
            if session.dtype.itemsize == 2 and not np.isfinite(rows).all():
                # Some numbers exceed the range of float16.
                blocks[digest] = exact
            else:
                blocks[digest] = storable[digest] = rows
        session.write(storable)
        return blocks


def _make_reader(settings: CacheSettings, elmo: EmbeddingModel) -> LayerCache:
    cache = LayerCache(settings, elmo=elmo)
    cache._writes = False
    return cache
