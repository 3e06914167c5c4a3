"""A training batch that the embedder has run once, for all its listeners."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from spacy.tokens import Doc

from .arrays import as_like
from .doc_layers import same_tokens, sentence_starts, token_hashes
from .output import FlatLayers

_numbers = count()


class SharedBatch:
    """The layers of a batch, and the sum of the gradients that its readers send back.

    docs, layers: what was run. observe: called with the sum of squares of each gradient that comes in.
    """

    def __init__(self, docs: Sequence[Doc], layers: FlatLayers, *, observe: Callable[[float], None]):
        # Left on the Docs, so that copies are known too: the entity linker trains on such.
        self._key = f"spacy_elmo.batch.{next(_numbers)}"
        self._docs = list(docs)
        for i, doc in enumerate(self._docs):
            doc.user_data[self._key] = i
        self._hashes = [token_hashes(doc) for doc in self._docs]
        self._sentences = [sentence_starts(doc) for doc in self._docs]
        self._layers = layers
        self._observe = observe
        self._gradients: dict[str, Any] = {}
        self._closed = False

    @property
    def learns(self) -> bool:
        """Whether gradients are of use: something below learns, and has not done so yet."""
        return self._layers.backprop is not None

    @property
    def has_gradient(self) -> bool:
        return bool(self._gradients)

    def find(self, docs: Sequence[Doc], *, same_sentences: bool = False) -> FlatLayers | None:
        """Layers of some of the batch's Docs, or of copies, in any order; None if one is not of the batch, or has
        other tokens by now, or the batch is closed.

        What readers send back is added up here until `backprop`. same_sentences: nor is a Doc whose sentences have
        changed of the batch. For readers that does not matter: they may come behind a component that sets them.
        """
        found: list[int] = [doc.user_data.get(self._key, -1) for doc in docs]
        if self._closed or not all(map(self._has, found, docs)):
            return None
        if same_sentences and any(sentence_starts(doc) != self._sentences[i] for i, doc in zip(found, docs)):
            return None
        own = FlatLayers(
            self._layers.arrays, self._layers.lengths, self._layers.n_layers, self._add if self.learns else None
        )
        return own.of_docs(found)

    def backprop(self) -> None:
        """Let what is below learn from the gradients so far. What comes later is of no use any more."""
        below, gradients = self._layers.backprop, self._gradients
        self._layers, self._gradients = replace(self._layers, backprop=None), {}
        if gradients and below is not None:
            below(gradients)

    def close(self) -> None:
        """Free the memory: nobody finds this batch any more."""
        self._closed = True
        for doc in self._docs:
            doc.user_data.pop(self._key, None)
        self._docs, self._hashes, self._sentences, self._gradients = [], [], [], {}
        self._layers = FlatLayers({}, [], self._layers.n_layers)

    def _has(self, i: int, doc: Doc) -> bool:
        # A Doc may have the user_data of another, also of one that an earlier process has trained on.
        return 0 <= i < len(self._hashes) and same_tokens(doc, self._hashes[i])

    def _add(self, gradients: dict[str, Any]) -> None:
        if not self.learns:
            return
        for name, gradient in gradients.items():
            # Layers may be on the CPU, wherever the component computes.
            gradient = as_like(gradient, self._layers.arrays[name])
            self._observe(float((gradient * gradient).sum()))
            if name in self._gradients:
                self._gradients[name] += gradient
            else:
                self._gradients[name] = gradient.copy()
