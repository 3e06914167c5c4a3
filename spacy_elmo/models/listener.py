"""The layer that reads the embedder's layers inside another component, and the batch that listeners share."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from weakref import ReferenceType, ref

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..bilm.layers import LayerOutputs
from ..errors import ElmoError, Errors, Warnings
from .doc_layers import read_layers, same_tokens, sentence_starts, token_hashes
from .ops_arrays import move_like
from .output import FlatLayers, flatten
from .pooling import PoolingSettings, PoolingT, fit_to, get_pooling_settings, pooling
from .runs import enable_runs, find_common

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
        return own.select_docs(found)

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
            gradient = move_like(gradient, self._layers.arrays[name])
            self._observe(float((gradient * gradient).sum()))
            if name in self._gradients:
                self._gradients[name] += gradient
            else:
                self._gradients[name] = gradient.copy()


ListenerT = Model[list[Doc], list[Floats2d]]
_KEY = "elmo_listener"


@dataclass
class LinkCounter:
    """n_changes (int): How often a listener was linked to an embedder of this process, or unlinked. As long as it
    stays the same, so do the layers that are listened to."""

    n_changes: int = 0


links = LinkCounter()


class Upstream:
    """What a listener knows of the embedder at the moment. Pickled or saved, it knows nothing.

    name: of the embedder that it listens to; "*": the next one before it.
    settings: what the listener reads. batch: the training batch that the embedder has run last.
    starts: the component is being initialised, with Docs that no other component has seen.
    """

    def __init__(self, name: str, settings: PoolingSettings):
        self.name = name
        self.settings = settings
        self.batch: SharedBatch | None = None
        self.is_initializing = False
        self.warned = False
        self._owner: ReferenceType[Any] | None = None
        self._copy: ReferenceType[Upstream] | None = None
        self._is_copy = False
        enable_runs()

    @property
    def owner(self) -> Any:
        """The embedder that it was linked to last, as long as that lives. Docs that an embedder has run know
        better: a component may be in several pipelines, and not all of them have the embedder."""
        return None if self._owner is None else self._owner()

    @owner.setter
    def owner(self, embedder: Any) -> None:
        links.n_changes += 1
        self._owner = None if embedder is None else ref(embedder)

    @property
    def is_rehearsing(self) -> bool:
        """Whether there is a copy of the component's model, as `nlp.resume_training` makes it, or this is one."""
        return self._is_copy or (self._copy is not None and self._copy() is not None)

    def __reduce__(self) -> tuple[Any, tuple[str, PoolingSettings]]:
        return Upstream, (self.name, self.settings)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Upstream":
        copied = Upstream(self.name, self.settings)
        owner = self.owner
        copied.owner = memo.get(id(owner), owner)
        if copied.owner is owner:
            # Not the copy of a whole pipeline, whose listeners have an embedder of their own.
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
    """What a component's `tok2vec` layer can be, registered as spacy-elmo.ElmoListener.v1: a mix of the embedder's
    layers that this component learns for itself.

    width (int | None): columns of the output, 2P (P for word_emb). null: what the embedder has.
    upstream (str): the embedder's name; "*" is the next one before the component.
    pooling_layer (str | None): null for a mix of its own; or one layer, where "elmo" is the embedder's mix.
    layer_norm (bool): bring each token's numbers, in each layer, to mean 0 and variance 1 before they are mixed.
    dropout (float | None): of the output. null: what the training config says.
    l2 (float): penalty on the mix's weights, l2 * sum(w ** 2).
    grad_factor (float): of gradients on their way to the embedder.
    RETURNS (Model[list[Doc], list[Floats2d]]): (len(doc), width) for each Doc.
    RAISES (ElmoError): for a value that is not allowed.
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


def is_listener(model: Model[Any, Any]) -> bool:
    return isinstance(model.attrs.get(_KEY), Upstream)


def get_upstream(model: ListenerT) -> Upstream:
    upstream: Upstream = model.attrs[_KEY]
    return upstream


def get_pooling(model: ListenerT) -> PoolingT:
    """The listener's own node, found by position: copies of a Thinc model lose named references."""
    return model.layers[0]


def init(model: ListenerT, X: Any = None, Y: Any = None) -> None:  # noqa: N803
    """RAISES (ElmoError): If the width is not given, and there is no embedder to ask for it."""
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
    """RAISES (ElmoError): In training if no embedder has run these Docs, or can, or not as is needed."""
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
        # One without layers takes none from the others.
        return [output for doc in docs for output in _predict(model, [doc])]
    return _return_zeros(model, docs)


def _find_batch(upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers | None:
    return None if upstream.batch is None or not docs else upstream.batch.find(docs)


def _read_docs(model: ListenerT, docs: Sequence[Doc]) -> FlatLayers | None:
    """What the embedder has left on the Docs; None if one has nothing.

    RAISES (ElmoError): If the layers are of other tokens, or not those that the listener reads and the embedder is
        not there.
    """
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
        # What is on the Docs is of another embedder, which came later.
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
    """Layers of Docs that have none, though an embedder is at work on them: they were cut out of others, as the
    entity linker does it, or the embedder did not know that somebody reads these layers."""
    embedder = find_common(docs, upstream.name)
    return None if embedder is None else embedder.compute_layers(upstream, docs)


def _run_parts(upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers | None:
    """Layers of Docs of which nothing is known: they may be parts of Docs that are gone."""
    embedder = None if upstream.is_initializing else _find_linked(upstream, docs)
    return None if embedder is None or embedder.is_disabled else embedder.compute_layers(upstream, docs)


def _find_linked(upstream: Upstream, docs: Sequence[Doc]) -> Any:
    """The embedder that it is linked to, if the Docs may come from a pipeline that it is in."""
    owner = upstream.owner
    return owner if owner is not None and upstream.name in ("*", owner.name) and owner.shares_vocab(docs) else None


def _run_for_training(upstream: Upstream, docs: Sequence[Doc]) -> FlatLayers | None:
    """Layers from which nothing flows back, where that is all there is to it: the embedder is frozen, or the
    component is_rehearsing. None if there is no embedder.

    RAISES (ElmoError): If the embedder is to learn, and cannot.
    """
    embedder, linked = find_common(docs, upstream.name), _find_linked(upstream, docs)
    if embedder is None or (linked is not None and linked.is_behind(embedder)):
        # It was left out of this step, maybe for another one before it.
        embedder = linked
    if embedder is None:
        return None
    layers: FlatLayers = embedder.compute_training_layers(upstream, docs)
    return layers


def _return_zeros(model: ListenerT, docs: Sequence[Doc]) -> list[Floats2d]:
    upstream = get_upstream(model)
    if not model.has_dim("nO"):
        raise ElmoError(Errors.EL103.format(upstream=upstream.name))
    if any(len(doc) for doc in docs) and not upstream.is_initializing and not upstream.warned:
        upstream.warned = True
        warnings.warn(Warnings.WL003.format(upstream=upstream.name), stacklevel=2)
    return [model.ops.alloc2f(len(doc), model.get_dim("nO")) for doc in docs]


def _skip_backprop(d_outputs: list[Floats2d]) -> list[Doc]:
    return []
