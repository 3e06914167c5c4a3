"""What an embedder does for listeners: find them, and give them layers that are not on their Docs."""

from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..elmo import Elmo
from ..errors import Errors
from ..models.listener import Upstream
from ..models.output import FlatLayers
from ..models.tokens import sent_spans
from ..models.wrapper import ElmoModelT, holder_of, predict_flat, ready
from .boundaries import Boundaries
from .learning import Learning
from .listeners import ListenedTo, Readers


class ReadByListeners(ListenedTo):
    """Mixed into a component."""

    vocab: Vocab
    model: ElmoModelT
    _learning: Learning

    def be_read(self) -> None:
        """Begin without listeners."""
        self._last_vocab = self.vocab
        self._readers = Readers()
        self._boundaries = Boundaries()
        self.listener_map = {}

    def ready(self) -> Elmo:
        """The model, to ask what it is."""
        return ready(self.model)

    def knows(self, docs: Sequence[Doc]) -> bool:
        """Whether the Docs may come from a pipeline that it is in."""
        return all(doc.vocab is self.vocab or doc.vocab is self._last_vocab for doc in docs)

    def layers_for(self, upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers:
        """Layers for a listener that has found none on the Docs; from now on, what it reads is kept there."""
        self.add_reader(upstream)
        self._learning.settle()
        return predict_flat(self.model, docs, upstream.settings.names(self.ready().n_layers))

    def training_layers_for(self, upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers:
        """Layers to train on for a listener that was not linked, or outside of `nlp.update`.

        RAISES: ValueError if the biLM is to learn, and cannot.
        """
        self.add_reader(upstream)
        names = upstream.settings.names(self.ready().n_layers)
        batch = self._learning.batch
        found = None if batch is None else batch.find(docs)
        if batch is not None and found is not None and all(name in found.arrays for name in names):
            upstream.batch = batch
            return found
        if not holder_of(self.model).training_settings.frozen:
            if not upstream.rehearses:
                raise ValueError(Errors.EL182.format(name=self.name))
            self._learning.settle()
        return predict_flat(self.model, docs, names)

    def look_at(self, docs: Sequence[Doc]) -> None:
        """Know Docs that are about to be run, and whether their sentences can be seen."""
        if docs:
            self._last_vocab = docs[0].vocab
        if holder_of(self.model).place.get_spans is sent_spans:
            self._boundaries.check(docs, name=self.name)

    def find_listeners(self, component: Any) -> None:
        """Add the listeners in a component's model that name this embedder, or "*"."""
        super().find_listeners(component)
        # What listens cannot stand before the embedder.
        if getattr(component, "name", None) not in self.listener_map:
            self._boundaries.find(component, self._pipeline.nlp, name=self.name)

    def forget_links(self) -> None:
        super().forget_links()
        self._boundaries.forget(self._pipeline.nlp, name=self.name)
