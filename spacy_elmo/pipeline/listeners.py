"""Components that listen to an embedder: how they are found, linked, and given layers not on their Docs."""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ..elmo import Elmo
from ..errors import ElmoError, Errors
from ..models.listener import ListenerT, Upstream, get_upstream, is_listener, links
from ..models.module import ElmoModelT, get_module
from ..models.output import FlatLayers
from ..models.predict import embed_flat
from .pipeline_ref import Boundaries, PipelineRef
from .updates import DeferredUpdate


def _list_listeners(listener_map: dict[str, list[ListenerT]]) -> list[ListenerT]:
    return [listener for listeners in listener_map.values() for listener in listeners]


class Readers:
    """Who has ever listened to an embedder, as long as they live. A copy knows nobody."""

    def __init__(self) -> None:
        self.upstreams: WeakSet[Upstream] = WeakSet()

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        return Readers, ()

    def add(self, upstream: Upstream) -> None:
        self.upstreams.add(upstream)

    def find(self, embedder: Any) -> set[Upstream]:
        """Those whose last link is to this embedder, which may have another name since."""
        found = (upstream for upstream in self.upstreams if upstream.owner is embedder)
        return {upstream for upstream in found if upstream.name in ("*", embedder.name)}


class ListenedTo:
    """Mixed into a component. _pipeline: the pipeline that it knows to be in. _readers: see `Readers`; listeners
    of another pipeline, or that spaCy did not link, are among them."""

    name: str
    _pipeline: PipelineRef
    _readers: Readers

    @property
    def listener_map(self) -> dict[str, list[ListenerT]]:
        """Component name -> its listeners. spaCy empties it when it links anew, for whatever pipeline."""
        return self._listener_map

    @listener_map.setter
    def listener_map(self, found: dict[str, list[ListenerT]]) -> None:
        self._listener_map = found
        self.forget_links()

    def forget_links(self) -> None:
        """Called before the components behind this one are looked for again."""
        links.n_changes += 1
        self._linked: tuple[int, ...] = ()

    @property
    def listeners(self) -> list[ListenerT]:
        """Those that take their layers from this component: the last embedder before them."""
        nearer = [
            listener for other in self._embedders_behind() for listener in _list_listeners(other.listener_map)
        ]
        return [one for one in _list_listeners(self.listener_map) if not any(one is other for other in nearer)]

    @property
    def listening_components(self) -> list[str]:
        return list(self.listener_map)

    def add_listener(self, listener: ListenerT, component_name: str) -> None:
        """Let a listener of this component take its layers from here."""
        found = self.listener_map.setdefault(component_name, [])
        if not any(listener is other for other in found):
            links.n_changes += 1
            found.append(listener)
        upstream = get_upstream(listener)
        if upstream.owner is None or not upstream.owner.is_behind(self):
            self.add_reader(upstream)

    def add_reader(self, upstream: Upstream) -> None:
        """Keep what it reads, from now on."""
        upstream.owner = self
        self._readers.add(upstream)

    @property
    def readers(self) -> list[Upstream]:
        """What is known of the embedder by all that read its layers."""
        return [*{get_upstream(listener): None for listener in self.listeners}, *self._find_unlinked()]

    def _find_unlinked(self) -> list[Upstream]:
        linked = [get_upstream(listener) for listener in _list_listeners(self.listener_map)]
        others = [upstream for upstream in self._readers.find(self) if upstream not in linked]
        return sorted(others, key=id)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        # Listeners that were copied along have lost sight of it.
        for listener in _list_listeners(self._listener_map):
            if get_upstream(listener).owner is None:
                self.add_reader(get_upstream(listener))

    def remove_listener(self, listener: ListenerT, component_name: str) -> bool:
        """RETURNS: whether it was there."""
        found = self.listener_map.get(component_name, [])
        kept = [other for other in found if other is not listener]
        if len(kept) == len(found):
            return False
        links.n_changes += 1
        if kept:
            self.listener_map[component_name] = kept
        else:
            del self.listener_map[component_name]
        if get_upstream(listener).owner is self:
            get_upstream(listener).owner = None
        return True

    def find_listeners(self, component: Any) -> None:
        """Add the listeners in a component's model that name this embedder, or "*"."""
        model = getattr(component, "model", None)
        if not isinstance(model, Model):
            return
        for node in model.walk():
            if is_listener(node) and get_upstream(node).name in ("*", self.name):
                self.add_listener(node, component.name)

    def link(self, nlp: Language) -> None:
        """Find the listeners in all enabled components behind this one. spaCy does not when it enables one, nor
        always where one was sourced."""
        pipes: list[Any] = [pipe for _, pipe in nlp.pipeline]
        linked = tuple(map(id, pipes))
        if linked != self._linked and self in pipes and not self._is_linked_elsewhere(nlp):
            for pipe in pipes[pipes.index(self) + 1 :]:
                self.find_listeners(pipe)
            self._linked = linked

    def _is_linked_elsewhere(self, nlp: Language) -> bool:
        """Whether spaCy has linked it in another pipeline, which has sourced it since."""
        models = [getattr(pipe, "model", None) for _, pipe in nlp.components]
        known = {id(node) for model in models if isinstance(model, Model) for node in model.walk()}
        return any(id(listener) not in known for listener in _list_listeners(self.listener_map))

    def is_behind(self, other: Any) -> bool:
        """Whether it is nearer than another embedder to what comes behind both, in the pipeline that it knows."""
        nlp = self._pipeline.nlp
        pipes: list[Any] = [] if nlp is None else [pipe for _, pipe in nlp.pipeline]
        return self in pipes and other in pipes[: pipes.index(self)]

    def _embedders_behind(self) -> list["ListenedTo"]:
        nlp = self._pipeline.nlp
        pipes: list[Any] = [] if nlp is None else [pipe for _, pipe in nlp.pipeline]
        behind = pipes[pipes.index(self) + 1 :] if self in pipes else []
        return [pipe for pipe in behind if isinstance(pipe, ListenedTo)]

    def get_read_layers(self, n_layers: int) -> list[str]:
        """What the listeners read, of a model with n_layers LSTM layers.

        RAISES (ElmoError): If one reads a layer that the model does not have.
        """
        wanted = [upstream.settings.names(n_layers) for upstream in self.readers]
        return [name for names in wanted for name in names]


def make_relink() -> Callable[[Language, dict[str, Any]], None]:
    """For [training.before_update], registered as spacy-elmo.relink.v1: before each step, every embedder finds its
    listeners again. Needed where spaCy does not link them: components that were sourced and are frozen or
    resumed behind an embedder that is sourced as well."""
    return relink


def relink(nlp: Language, info: dict[str, Any]) -> None:
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, ListenedTo):
            pipe.link(nlp)


class ReadByListeners(ListenedTo):
    """Mixed into a component."""

    vocab: Vocab
    model: ElmoModelT
    _updates: DeferredUpdate

    def init_listeners(self) -> None:
        """Start without listeners."""
        self._last_vocab = self.vocab
        self._readers = Readers()
        self._boundaries = Boundaries()
        self.listener_map = {}

    def load(self) -> Elmo:
        """Get the model; see `ElmoModule.load`."""
        return get_module(self.model).load()

    def shares_vocab(self, docs: Sequence[Doc]) -> bool:
        """Whether the Docs may come from a pipeline that it is in."""
        return all(doc.vocab is self.vocab or doc.vocab is self._last_vocab for doc in docs)

    def compute_layers(self, upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers:
        """Layers for a listener that has found none on the Docs; from now on, what it reads is kept there."""
        self.add_reader(upstream)
        self._updates.apply_pending()
        return self._embed(docs, upstream.settings.names(self.load().n_layers))

    def compute_training_layers(self, upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers:
        """Layers to train on for a listener that was not linked, or outside of `nlp.update`.

        RAISES (ElmoError): If the biLM is to learn, and cannot.
        """
        self.add_reader(upstream)
        names = upstream.settings.names(self.load().n_layers)
        batch = self._updates.batch
        found = None if batch is None else batch.find(docs)
        if batch is not None and found is not None and all(name in found.arrays for name in names):
            upstream.batch = batch
            return found
        if not get_module(self.model).training_settings.frozen:
            if not upstream.is_rehearsing:
                raise ElmoError(Errors.EL182.format(name=self.name))
            self._updates.apply_pending()
        return self._embed(docs, names)

    def _embed(self, docs: Sequence[Doc], names: Sequence[str]) -> FlatLayers:
        module = get_module(self.model)
        return embed_flat(module.sync(), module.map_tokens(docs), names, self.model.ops)

    def find_listeners(self, component: Any) -> None:
        """Add the listeners in a component's model that name this embedder, or "*"."""
        super().find_listeners(component)
        # What listens cannot stand before the embedder.
        if getattr(component, "name", None) not in self.listener_map:
            self._boundaries.find(component, self._pipeline.nlp, name=self.name)

    def forget_links(self) -> None:
        super().forget_links()
        self._boundaries.forget(self._pipeline.nlp, name=self.name)
