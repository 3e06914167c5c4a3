"""The layer by which another component reads the embedder's layers, and the batch that such listeners share."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol, cast
from weakref import ReferenceType, ref

from spacy.tokens import Doc
from thinc.api import Model, get_array_module
from thinc.types import Floats2d

from ..bilm.layers import LayerOutputs
from ..elmo import Elmo
from ..errors import ElmoError, Errors, Warnings
from .doc_layers import read_layers, same_tokens, sentence_starts, token_hashes
from .module import ElmoModelT
from .ops_arrays import move_like
from .output import FlatLayers, LayerArrays, flatten
from .pooling import PoolingSettings, PoolingT, fit_to, get_pooling_settings, pooling
from .runs import enable_runs, find_common

_numbers = count()

_KEY = "elmo_listener"


class SharedBatch:
    """The layers of a training batch, and the sum of the gradients that its readers send back.

    docs (Sequence[Doc]): The batch.
    layers (FlatLayers): Its layers.
    observe (Callable[[float], None]): Called with the sum of squares of each gradient that comes in.
    """

    def __init__(self, docs: Sequence[Doc], layers: FlatLayers, *, observe: Callable[[float], None]):
        # Stored on the Docs, so that copies have it too: the entity linker trains on copies.
        self._key = f"spacy_elmo.batch.{next(_numbers)}"
        self._docs = list(docs)
        for i, doc in enumerate(self._docs):
            doc.user_data[self._key] = i
        self._hashes = [token_hashes(doc) for doc in self._docs]
        self._sentences = [sentence_starts(doc) for doc in self._docs]
        self._layers = layers
        self._observe = observe
        self._gradients: LayerArrays = {}
        self._closed = False

    @property
    def learns(self) -> bool:
        """Whether gradients are still used: something below is trained, and `backprop` has not been called."""
        return self._layers.backprop is not None

    @property
    def has_gradient(self) -> bool:
        """Whether a gradient has come in."""
        return bool(self._gradients)

    def find(self, docs: Sequence[Doc], *, same_sentences: bool = False) -> FlatLayers | None:
        """Find the layers of some of the batch's Docs. Gradients that readers send back are added up until
        `backprop`.

        docs (Sequence[Doc]): Docs of the batch, or copies, in any order.
        same_sentences (bool): Find no Doc whose sentences have changed. Readers do not need that: a component
            before them may set sentences.
        RETURNS (FlatLayers | None): None if a Doc is not in the batch or has changed, or the batch is closed.
        """
        found: list[int] = [doc.user_data.get(self._key, -1) for doc in docs]
        if self._closed or not all(map(self._has, found, docs)):
            return None
        if same_sentences and any(sentence_starts(doc) != self._sentences[i] for i, doc in zip(found, docs)):
            return None
        return replace(self._layers, backprop=self._add if self.learns else None).select_docs(found)

    def backprop(self) -> None:
        """Pass the gradients so far to what is below. Later ones are dropped."""
        below, gradients = self._layers.backprop, self._gradients
        self._layers, self._gradients = replace(self._layers, backprop=None), {}
        if gradients and below is not None:
            below(gradients)

    def close(self) -> None:
        """Free the memory. The batch has no Docs from now on."""
        self._closed = True
        for doc in self._docs:
            doc.user_data.pop(self._key, None)
        self._docs, self._hashes, self._sentences, self._gradients = [], [], [], {}
        self._layers = FlatLayers({}, [], self._layers.n_layers)

    def _has(self, i: int, doc: Doc) -> bool:
        # A Doc may have the user_data of another, even of one from the training run of an earlier process.
        return 0 <= i < len(self._hashes) and same_tokens(doc, self._hashes[i])

    def _add(self, gradients: LayerArrays) -> None:
        if not self.learns:
            return
        for name, gradient in gradients.items():
            # Layers may be on the CPU even if the component computes on the GPU.
            gradient = move_like(gradient, self._layers.arrays[name])
            self._observe(float(get_array_module(gradient).sum(gradient * gradient)))
            if name in self._gradients:
                self._gradients[name] += gradient
            else:
                self._gradients[name] = gradient.copy()


ListenerT = Model[list[Doc], list[Floats2d]]


@dataclass
class LinkCounter:
    """A counter of changes: while it stays the same, listeners read the same layers.

    n_changes (int): How often a listener was linked to an embedder of this process, or unlinked.
    """

    n_changes: int = 0


links = LinkCounter()


class Embedder(Protocol):
    """What a listener needs of an embedder; see `pipeline.embedder.ElmoEmbedder`."""

    name: str

    @property
    def is_disabled(self) -> bool: ...
    @property
    def is_incomplete(self) -> bool: ...
    def load(self) -> Elmo: ...
    def complete_model(self) -> ElmoModelT: ...
    def shares_vocab(self, docs: Sequence[Doc]) -> bool: ...
    def is_behind(self, other: "Embedder") -> bool: ...
    def compute_layers(self, upstream: "Upstream", docs: Sequence[Doc]) -> FlatLayers: ...
    def compute_training_layers(self, upstream: "Upstream", docs: Sequence[Doc]) -> FlatLayers: ...


class Upstream:
    """A listener's link to the embedder at run time; reset on copy, pickle and save.

    name (str): The embedder's name; "*": the next embedder before the listener.
    settings (PoolingSettings): What the listener reads.
    """

    def __init__(self, name: str, settings: PoolingSettings):
        self.name = name
        self.settings = settings
        # The last training batch of the embedder.
        self.batch: SharedBatch | None = None
        # While the component is initialized, its Docs have passed through no other component.
        self.is_initializing = False
        self.has_warned = False
        self._owner: ReferenceType[Embedder] | None = None
        self._copy: ReferenceType[Upstream] | None = None
        self._is_copy = False
        enable_runs()

    @property
    def owner(self) -> Embedder | None:
        """The embedder that it was linked to last, if alive. Docs that an embedder has run tell more reliably: a
        component may be in several pipelines, some of them without the embedder."""
        return None if self._owner is None else self._owner()

    @owner.setter
    def owner(self, embedder: Embedder | None) -> None:
        links.n_changes += 1
        self._owner = None if embedder is None else ref(embedder)

    @property
    def is_rehearsing(self) -> bool:
        """Whether the component's model is a copy as `nlp.resume_training` makes it, or has such a copy."""
        return self._is_copy or (self._copy is not None and self._copy() is not None)

    def __reduce__(self) -> tuple[type["Upstream"], tuple[str, PoolingSettings]]:
        return Upstream, (self.name, self.settings)

    def __deepcopy__(self, memo: dict[int, object]) -> "Upstream":
        copied = Upstream(self.name, self.settings)
        owner = self.owner
        copied.owner = cast(Embedder | None, memo.get(id(owner), owner))
        if copied.owner is owner:
            # Otherwise a whole pipeline is copied, with the embedder.
            copied._is_copy, self._copy = True, ref(copied)
        return copied


def build_elmo_listener_v1(
    width: int | None = None,
    upstream: str = "*",
    pooling_layer: str | None = None,
    layer_norm: bool = False,
    dropout: float | None = None,
    l2: float = 0.001,
    grad_factor: float = 1.0,
) -> ListenerT:
    """Build a component's `tok2vec` layer, registered as spacy-elmo.ElmoListener.v1: a mix of the embedder's
    layers that only this component trains, or one layer.

    width (int | None): Columns of the output, 2P (P for word_emb). null: as many as the embedder's layers have.
    upstream (str): The embedder's name; "*" is the next one before the component.
    pooling_layer (str | None): The layer to read, where "elmo" is the embedder's mix. null: a mix that is trained.
    layer_norm (bool): Normalise each token's vector in each layer to mean 0 and variance 1 before it is mixed.
    dropout (float | None): Dropout of the output. null: as in the training config.
    l2 (float): Penalty on the mix's weights, l2 * sum(w ** 2).
    grad_factor (float): Factor of the gradients that the embedder gets.
    RETURNS (Model[list[Doc], list[Floats2d]]): (len(doc), width) for each Doc.
    RAISES (ElmoError): If a value is not allowed.
    """
    settings = PoolingSettings(
        pooling_layer=pooling_layer, layer_norm=layer_norm, dropout=dropout, l2=l2, grad_factor=grad_factor
    )
    return Model(
        "elmo_listener",
        forward,
        init=init,
        dims={"nO": width},
        layers=[pooling(settings, width=width)],
        attrs={_KEY: Upstream(upstream, settings)},
    )


def is_listener(model: Model) -> bool:
    """Check whether a node is a listener.

    model (Model): A Thinc model.
    RETURNS (bool): Whether it was made by `build_elmo_listener_v1`, or is a copy.
    """
    return isinstance(model.attrs.get(_KEY), Upstream)


def get_upstream(model: ListenerT) -> Upstream:
    """Get a listener's link to the embedder.

    model (ListenerT): The listener.
    RETURNS (Upstream): The link.
    """
    upstream: Upstream = model.attrs[_KEY]
    return upstream


def get_pooling(model: ListenerT) -> PoolingT:
    """Get the node with a listener's parameters. It is found by position: copies of a Thinc model lose references.

    model (ListenerT): The listener.
    RETURNS (PoolingT): The node.
    """
    return model.layers[0]


def init(model: ListenerT, **_samples: object) -> None:
    """Set the sizes of a listener, and give all layers the same weight.

    model (ListenerT): The listener.
    RAISES (ElmoError): If no width is set, and there is no embedder that has one.
    """
    upstream = get_upstream(model)
    upstream.is_initializing = True
    node = get_pooling(model)
    if upstream.owner is not None:
        fit_to(node, upstream.owner.load(), where=f"'{upstream.owner.name}'")
        model.set_dim("nO", node.get_dim("nO"))
    if not model.has_dim("nO"):
        raise ElmoError(Errors.EL103.format(upstream=upstream.name))
    node.initialize()


def forward(
    model: ListenerT, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Compute the vectors of Docs.

    model (ListenerT): The listener.
    docs (list[Doc]): The Docs.
    is_train (bool): Use the embedder's training batch.
    RETURNS (tuple[list[Floats2d], Callable]): (len(doc), width) for each Doc, and the backward pass.
    RAISES (ElmoError): If in training no embedder has run these Docs, or can run them.
    """
    if not is_train:
        return _predict(model, docs), _skip_backprop
    upstream = get_upstream(model)
    layers = _find_batch(upstream, docs) or _read_docs(model, docs) or _run_for_training(upstream, docs)
    if layers is None:
        if any(len(doc) for doc in docs):
            raise ElmoError(Errors.EL100.format(upstream=upstream.name))
        return _return_zeros(model, docs), _skip_backprop
    upstream.is_initializing = False
    outputs, backprop = get_pooling(model)(layers, is_train)

    def finish(d_outputs: list[Floats2d]) -> list[Doc]:
        backprop(d_outputs)
        return []

    return outputs, finish


def _predict(model: ListenerT, docs: list[Doc]) -> list[Floats2d]:
    upstream = get_upstream(model)
    layers = (
        _read_docs(model, docs)
        or _find_batch(upstream, docs)
        or _run_again(upstream, docs)
        or _run_parts(upstream, docs)
    )
    if layers is not None:
        outputs: list[Floats2d] = get_pooling(model).predict(layers)
        return outputs
    if len(docs) > 1:
        # A Doc without layers must not keep the others from theirs.
        return [output for doc in docs for output in _predict(model, [doc])]
    return _return_zeros(model, docs)


def _find_batch(upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers | None:
    return None if upstream.batch is None or not docs else upstream.batch.find(docs)


def _read_docs(model: ListenerT, docs: Sequence[Doc]) -> FlatLayers | None:
    """Read the layers on the Docs; None if a Doc has none. An error if layers belong to other tokens, or lack one
    that the listener reads and no embedder can compute."""
    found: list[LayerOutputs] = []
    for doc in docs:
        layers = read_layers(doc)
        if layers is None:
            return None
        found.append(layers)
    if not found:
        return None
    upstream = get_upstream(model)
    last, own = find_common(docs, "*"), find_common(docs, upstream.name)
    if own is not None and own is not last:
        # The layers on the Docs were written by another embedder, which came later.
        return _run_again(upstream, docs)
    names = get_pooling_settings(get_pooling(model)).names(found[0].n_layers)
    for layers in found:
        missing = [name for name in names if name not in layers.names]
        if missing:
            again = _run_again(upstream, docs)
            if again is not None:
                return again
            raise ElmoError(
                Errors.EL102.format(missing=", ".join(missing), kept=", ".join(layers.names) or "none")
            )
    return flatten(found, names)


def _run_again(upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers | None:
    """Compute layers of Docs that an embedder has run, but that lack them: Docs that were cut out of others,
    as the entity linker does, or read by a listener that the embedder was not linked to."""
    embedder = _find_embedder(docs, upstream.name)
    return None if embedder is None else embedder.compute_layers(upstream, docs)


def _find_embedder(docs: Sequence[Doc], name: str) -> Embedder | None:
    # All that is recorded as a run is an embedder.
    return cast(Embedder | None, find_common(docs, name))


def _run_parts(upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers | None:
    """Compute layers of Docs that no embedder is known to have run: they may be parts of Docs that are freed."""
    embedder = None if upstream.is_initializing else _find_linked(upstream, docs)
    return None if embedder is None or embedder.is_disabled else embedder.compute_layers(upstream, docs)


def _find_linked(upstream: Upstream, docs: Sequence[Doc]) -> Embedder | None:
    """Get the linked embedder, if the Docs may come from one of its pipelines."""
    owner = upstream.owner
    return owner if owner is not None and upstream.name in ("*", owner.name) and owner.shares_vocab(docs) else None


def _run_for_training(upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers | None:
    """Compute layers without a backward pass, for an embedder that is frozen or a component that rehearses; an
    error if the embedder is to be trained. None if there is no embedder."""
    embedder, linked = _find_embedder(docs, upstream.name), _find_linked(upstream, docs)
    if embedder is None or (linked is not None and linked.is_behind(embedder)):
        # The linked embedder did not run in this step, perhaps another one before it did.
        embedder = linked
    return None if embedder is None else embedder.compute_training_layers(upstream, docs)


def _return_zeros(model: ListenerT, docs: Sequence[Doc]) -> list[Floats2d]:
    upstream = get_upstream(model)
    if not model.has_dim("nO"):
        raise ElmoError(Errors.EL103.format(upstream=upstream.name))
    if any(len(doc) for doc in docs) and not upstream.is_initializing and not upstream.has_warned:
        upstream.has_warned = True
        warnings.warn(Warnings.WL003.format(upstream=upstream.name), stacklevel=2)
    return [model.ops.alloc2f(len(doc), model.get_dim("nO")) for doc in docs]


def _skip_backprop(d_outputs: list[Floats2d]) -> list[Doc]:
    return []
