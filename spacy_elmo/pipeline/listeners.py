"""The listeners of an embedder: how they are found and linked, and how they get layers that are not on their
Docs."""

from collections.abc import Callable, Sequence
from typing import cast
from weakref import WeakSet

from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Model

from ..elmo import Elmo
from ..errors import ElmoError, Errors
from ..models.listener import Embedder, ListenerT, Upstream, get_upstream, is_listener, links
from ..models.module import ElmoModelT, get_module
from ..models.output import FlatLayers
from ..models.predict import embed_flat
from .deferred_update import DeferredUpdate
from .pipeline_ref import Boundaries, PipelineRef


def _list_listeners(listener_map: dict[str, list[ListenerT]]) -> list[ListenerT]:
    return [listener for listeners in listener_map.values() for listener in listeners]


class Readers:
    """All listeners that an embedder ever had, as long as they live. A copy is empty."""

    def __init__(self) -> None:
        self.upstreams: WeakSet[Upstream] = WeakSet()

    def __reduce__(self) -> tuple[type["Readers"], tuple[()]]:
        return Readers, ()

    def add(self, upstream: Upstream) -> None:
        """Add a listener.

        upstream (Upstream): Its link.
        """
        self.upstreams.add(upstream)

    def find(self, embedder: "ListenedTo") -> set[Upstream]:
        """Find the listeners that were linked to an embedder last, and still name it.

        embedder (ListenedTo): The embedder.
        RETURNS (set[Upstream]): Their links.
        """
        found = (upstream for upstream in self.upstreams if upstream.owner is embedder)
        return {upstream for upstream in found if upstream.name in ("*", embedder.name)}


class ListenedTo:
    """A mixin for a component that finds its listeners."""

    name: str
    _pipeline: PipelineRef
    # Including listeners of other pipelines, and those that spaCy did not link.
    _readers: Readers

    @property
    def listener_map(self) -> dict[str, list[ListenerT]]:
        """The listeners of each component, by its name. spaCy sets an empty one when it links any pipeline
        again."""
        return self._listener_map

    @listener_map.setter
    def listener_map(self, found: dict[str, list[ListenerT]]) -> None:
        self._listener_map = found
        self.forget_links()

    def forget_links(self) -> None:
        """Forget the components behind this one, before they are looked for again."""
        links.n_changes += 1
        self._linked: tuple[int, ...] = ()

    @property
    def listeners(self) -> list[ListenerT]:
        """The listeners that read this component's layers: it is the last embedder before them."""
        nearer = [
            listener for other in self._embedders_behind() for listener in _list_listeners(other.listener_map)
        ]
        return [one for one in _list_listeners(self.listener_map) if not any(one is other for other in nearer)]

    @property
    def listening_components(self) -> list[str]:
        """The names of components with listeners."""
        return list(self.listener_map)

    def add_listener(self, listener: ListenerT, component_name: str) -> None:
        """Link a listener to this component.

        listener (ListenerT): The listener.
        component_name (str): The component that it is part of.
        """
        found = self.listener_map.setdefault(component_name, [])
        if not any(listener is other for other in found):
            links.n_changes += 1
            found.append(listener)
        upstream = get_upstream(listener)
        if upstream.owner is None or not upstream.owner.is_behind(cast(Embedder, self)):
            self.add_reader(upstream)

    def add_reader(self, upstream: Upstream) -> None:
        """Keep the layers that a listener reads, from now on.

        upstream (Upstream): Its link.
        """
        upstream.owner = cast(Embedder, self)
        self._readers.add(upstream)

    @property
    def readers(self) -> list[Upstream]:
        """The links of all listeners that read this component's layers."""
        return [*{get_upstream(listener): None for listener in self.listeners}, *self._find_unlinked()]

    def _find_unlinked(self) -> list[Upstream]:
        linked = [get_upstream(listener) for listener in _list_listeners(self.listener_map)]
        others = [upstream for upstream in self._readers.find(self) if upstream not in linked]
        return sorted(others, key=id)

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        # Listeners that were copied with it have lost their link.
        for listener in _list_listeners(self._listener_map):
            if get_upstream(listener).owner is None:
                self.add_reader(get_upstream(listener))

    def remove_listener(self, listener: ListenerT, component_name: str) -> bool:
        """Unlink a listener.

        listener (ListenerT): The listener.
        component_name (str): The component that it is part of.
        RETURNS (bool): Whether it was linked.
        """
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

    def find_listeners(self, component: object) -> None:
        """Link the listeners in a component's model that name this embedder, or "*".

        component (object): The component.
        """
        model, name = getattr(component, "model", None), getattr(component, "name", "")
        if not isinstance(model, Model):
            return
        for node in model.walk():
            if is_listener(node) and get_upstream(node).name in ("*", self.name):
                self.add_listener(node, name)

    def link(self, nlp: Language) -> None:
        """Link the listeners in all enabled components behind this one. spaCy does not do this when it enables a
        component, nor always when one is sourced.

        nlp (Language): The pipeline.
        """
        pipes: list[object] = [pipe for _, pipe in nlp.pipeline]
        linked = tuple(map(id, pipes))
        if linked != self._linked and self in pipes and not self._is_linked_elsewhere(nlp):
            for pipe in pipes[pipes.index(self) + 1 :]:
                self.find_listeners(pipe)
            self._linked = linked

    def _is_linked_elsewhere(self, nlp: Language) -> bool:
        """Check whether spaCy has linked it in another pipeline, which has sourced it since."""
        models = [getattr(pipe, "model", None) for _, pipe in nlp.components]
        known = {id(node) for model in models if isinstance(model, Model) for node in model.walk()}
        return any(id(listener) not in known for listener in _list_listeners(self.listener_map))

    def is_behind(self, other: object) -> bool:
        """Check whether it comes after another embedder in its pipeline.

        other (object): The other embedder.
        RETURNS (bool): Whether it does; False if the pipeline is unknown.
        """
        nlp = self._pipeline.nlp
        pipes: list[object] = [] if nlp is None else [pipe for _, pipe in nlp.pipeline]
        return self in pipes and other in pipes[: pipes.index(self)]

    def _embedders_behind(self) -> list["ListenedTo"]:
        nlp = self._pipeline.nlp
        pipes: list[object] = [] if nlp is None else [pipe for _, pipe in nlp.pipeline]
        behind = pipes[pipes.index(self) + 1 :] if self in pipes else []
        return [pipe for pipe in behind if isinstance(pipe, ListenedTo)]

    def get_read_layers(self, n_layers: int) -> list[str]:
        """List the layers that the listeners read.

        n_layers (int): LSTM layers of the model.
        RETURNS (list[str]): Their names; one may occur again.
        RAISES (ElmoError): If one reads a layer that the model does not have.
        """
        wanted = [upstream.settings.names(n_layers) for upstream in self.readers]
        return [name for names in wanted for name in names]


def make_relink() -> Callable[[Language, dict[str, object]], None]:
    """Link the listeners of every embedder again before each update. Registered as spacy-elmo.relink.v1, for
    [training.before_update].

    It is needed where spaCy does not link listeners: in sourced components that are frozen or resumed behind an
    embedder that is sourced as well.

    RETURNS (Callable[[Language, dict], None]): A callback for spaCy's training loop.
    """
    return relink


def relink(nlp: Language, info: dict[str, object]) -> None:
    """Link the listeners of every embedder again.

    nlp (Language): The pipeline.
    info (dict[str, object]): The state of the training; not used.
    """
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, ListenedTo):
            pipe.link(nlp)


class ReadByListeners(ListenedTo):
    """A mixin for a component that computes layers for its listeners."""

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
        """Get the model; see `EmbedderModule.load`.

        RETURNS (Elmo): The model.
        """
        return get_module(self.model).load()

    def shares_vocab(self, docs: Sequence[Doc]) -> bool:
        """Check whether Docs may come from one of its pipelines.

        docs (Sequence[Doc]): The Docs.
        RETURNS (bool): Whether they have its vocabulary, or that of the Docs that it ran last.
        """
        return all(doc.vocab is self.vocab or doc.vocab is self._last_vocab for doc in docs)

    def compute_layers(self, upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers:
        """Compute layers for a listener that has found none on the Docs. From now on, they are kept there.

        upstream (Upstream): The listener's link.
        docs (Sequence[Doc]): The Docs.
        RETURNS (FlatLayers): The layers, without a backward pass.
        """
        self.add_reader(upstream)
        self._updates.apply_pending()
        return self._embed(docs, upstream.settings.names(self.load().n_layers))

    def compute_training_layers(self, upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers:
        """Compute layers to train on for a listener that was not linked, or outside of `nlp.update`.

        upstream (Upstream): The listener's link.
        docs (Sequence[Doc]): The Docs.
        RETURNS (FlatLayers): The layers; with a backward pass only if the Docs are in the embedder's last batch.
        RAISES (ElmoError): If the biLM is not frozen, and cannot be trained on these Docs.
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

    def find_listeners(self, component: object) -> None:
        super().find_listeners(component)
        # A component that listens cannot be moved before the embedder: no use to warn about its boundaries.
        if getattr(component, "name", None) not in self.listener_map:
            self._boundaries.find(component, self._pipeline.nlp, name=self.name)

    def forget_links(self) -> None:
        super().forget_links()
        self._boundaries.forget(self._pipeline.nlp, name=self.name)
