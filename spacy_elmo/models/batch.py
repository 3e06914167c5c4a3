"""A training batch that the embedder has run once, for all its listeners."""

from typing import Any, Callable, Dict, List, Optional, Sequence

from spacy.tokens import Doc

from .output import FlatLayers


class SharedBatch:
    """The layers of a batch, and the sum of the gradients that its readers send back.

    docs, layers: what was run. observe: called with the sum of squares of each gradient that comes in.
    """

    def __init__(self, docs: Sequence[Doc], layers: FlatLayers, *, observe: Callable[[float], None]):
        # Kept, so that no other Doc gets the same identity.
        self._docs = list(docs)
        self._index = {id(doc): i for i, doc in enumerate(self._docs)}
        self._layers = layers
        self._observe = observe
        self._gradients: Dict[str, Any] = {}
        self.closed = False

    @property
    def learns(self) -> bool:
        """Whether gradients are of use."""
        return self._layers.backprop is not None

    @property
    def has_gradient(self) -> bool:
        return bool(self._gradients)

    def find(self, docs: Sequence[Doc]) -> Optional[FlatLayers]:
        """Layers of some of the batch's Docs, in any order; None if one is not of the batch, or it is closed.

        What readers send back is added up here until `backprop`.
        """
        index: List[Optional[int]] = [self._index.get(id(doc)) for doc in docs]
        if self.closed or None in index:
            return None
        found = [i for i in index if i is not None]
        own = FlatLayers(
            self._layers.arrays, self._layers.lengths, self._layers.n_layers, self._add if self.learns else None
        )
        return own.of_docs(found)

    def backprop(self) -> None:
        """Let what is below learn from the gradients so far, and forget them."""
        gradients, self._gradients = self._gradients, {}
        if gradients and self._layers.backprop is not None:
            self._layers.backprop(gradients)

    def close(self) -> None:
        """Free the memory: nobody finds this batch any more."""
        self.closed = True
        self._docs, self._index, self._gradients = [], {}, {}
        self._layers = FlatLayers({}, [], self._layers.n_layers)

    def _add(self, gradients: Dict[str, Any]) -> None:
        if self.closed:
            return
        for name, gradient in gradients.items():
            self._observe(float((gradient * gradient).sum()))
            if name in self._gradients:
                self._gradients[name] += gradient
            else:
                self._gradients[name] = gradient.copy()
