"""Layers from disk where they are known, from the biLM where not."""

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..bilm.layers import LayerOutputs, Layers
from ..errors import Errors
from ..runtime.forks import ForkLock
from ..runtime.isolation import isolate
from .identity import Embeds, cached_layers
from .sentences import digests
from .session import Session
from .settings import CacheSettings


class LayerCache:
    """An Elmo that remembers, on disk, what it has computed: word_emb and every LSTM layer, not the mix.

    The weights must not change as long as the cache is used. What a sentence gives does not depend on whether it
    was stored: with dtype "float16" it is rounded the first time too. As ever, layers differ a little by what else
    was in the batch that they were computed in; a sentence that is stored keeps those of its first.

    Files are opened at first use. One process writes them; others only read, and so does a copy of this object,
    whether pickled or not. Several threads may ask at a time.

    settings: where, in what precision and how much. elmo: computes what is not there.
    RAISES: ValueError if the Elmo carries state from one batch to the next.
    """

    def __init__(self, settings: CacheSettings, *, elmo: Embeds):
        if elmo.settings.initial_state == "carry":
            raise ValueError(Errors.EL107)
        self.settings = settings
        self._elmo = elmo
        self._widths = {name: elmo.width(name) for name in cached_layers(elmo)}
        self._writes = True
        self._session: Session | None = None
        self._lock = ForkLock()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reader, (self.settings, self._elmo)

    def embed(self, sentences: Sequence[Sequence[str]]) -> list[LayerOutputs]:
        """Layer outputs of each tokenised sentence, in input order.

        RETURNS: one LayerOutputs per sentence, without the mix; word_emb is (n_tokens, P), the others
            (n_tokens, 2P), float32.
        RAISES: ValueError if a sentence is not a list of str.
        """
        flat = self.embed_flat(sentences)
        outputs, start = [], 0
        for sentence in sentences:
            end = start + len(sentence)
            # A copy, so that one kept sentence does not keep its whole batch alive.
            rows = {name: array[start:end].copy() for name, array in flat.items()}
            outputs.append(LayerOutputs(rows, n_layers=self._elmo.n_layers))
            start = end
        return outputs

    def embed_flat(self, sentences: Sequence[Sequence[str]]) -> dict[str, NDArray[np.float32]]:
        """The same, sentence after sentence in one array a layer.

        RETURNS: by layer, lowest first: word_emb (n, P), the others (n, 2P), where n is the number of all tokens;
            float32.
        RAISES: ValueError as `embed`.
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
