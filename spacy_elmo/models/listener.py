"""The layer that reads the embedder's layers inside another component."""

import warnings
from typing import Any, Callable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..bilm.layers import LayerOutputs
from ..errors import Errors, Warnings
from .batch import SharedBatch
from .doc_layers import read_layers
from .output import FlatLayers, flatten
from .pooling import PoolingSettings, PoolingT, fit_to, pooling, settings_of

ListenerT = Model[List[Doc], List[Floats2d]]
_KEY = "elmo_listener"


class Upstream:
    """What a listener knows of the embedder at the moment. Copied or pickled, or saved, it knows nothing.

    name: of the embedder that it listens to; "*": the next one before it.
    owner: that embedder, once it has been found. batch: the training batch that it has run last.
    starts: the component is being initialised, with Docs that no other component has seen.
    """

    def __init__(self, name: str):
        self.name = name
        self.owner: Any = None
        self.batch: Optional[SharedBatch] = None
        self.starts = False
        self.warned = False

    def __reduce__(self) -> Tuple[Any, Tuple[str]]:
        return Upstream, (self.name,)


def build_elmo_listener_v1(
    width: Optional[int] = None,
    upstream: str = "*",
    pooling_layer: Optional[str] = None,
    layer_norm: bool = False,
    dropout: Optional[float] = None,
    l2: float = 0.001,
    grad_factor: float = 1.0,
) -> ListenerT:
    """What a component's `tok2vec` layer can be, registered as spacy-elmo.ElmoListener.v1: a mix of the embedder's
    layers that this component learns for itself.

    width (Optional[int]): columns of the output, 2P (P for word_emb). null: what the embedder has.
    upstream (str): the embedder's name; "*" is the next one before the component.
    pooling_layer (Optional[str]): null for a mix of its own; or one layer, where "elmo" is the embedder's mix.
    layer_norm (bool): bring each token's numbers, in each layer, to mean 0 and variance 1 before they are mixed.
    dropout (Optional[float]): of the output. null: what the training config says.
    l2 (float): penalty on the mix's weights, l2 * sum(w ** 2).
    grad_factor (float): of gradients on their way to the embedder.
    RETURNS (Model[List[Doc], List[Floats2d]]): (len(doc), width) for each Doc.
    RAISES (ValueError): for a value that is not allowed.
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
        attrs={_KEY: Upstream(upstream)},
    )


def is_listener(model: Model[Any, Any]) -> bool:
    return isinstance(model.attrs.get(_KEY), Upstream)


def upstream_of(model: ListenerT) -> Upstream:
    upstream: Upstream = model.attrs[_KEY]
    return upstream


def pooling_of(model: ListenerT) -> PoolingT:
    """The listener's own node, found by position: copies of a Thinc model lose named references."""
    return model.layers[0]


def init(model: ListenerT, X: Any = None, Y: Any = None) -> None:  # noqa: N803
    """RAISES: ValueError if the width is not given, and there is no embedder to ask for it."""
    upstream = upstream_of(model)
    upstream.starts = True
    node = pooling_of(model)
    if upstream.owner is not None:
        fit_to(node, upstream.owner.ready(), where=f"'{upstream.owner.name}'")
        model.set_dim("nO", node.get_dim("nO"))
    if not model.has_dim("nO"):
        raise ValueError(Errors.EL103.format(upstream=upstream.name))
    node.initialize()


def forward(
    model: ListenerT, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    """RAISES: ValueError in training if the embedder has not run these Docs, or not as this listener needs it."""
    if not is_train:
        return _predict(model, docs), _no_gradient
    upstream = upstream_of(model)
    layers = _of_batch(upstream, docs) or _of_docs(model, docs)
    if layers is None:
        if any(len(doc) for doc in docs):
            raise ValueError(Errors.EL100.format(upstream=upstream.name))
        return _nothing(model, docs), _no_gradient
    upstream.starts = False
    outputs, backprop = pooling_of(model)(layers, is_train)

    def finish(d_outputs: List[Floats2d]) -> List[Doc]:
        backprop(d_outputs)
        return []

    return outputs, finish


def _predict(model: ListenerT, docs: List[Doc]) -> List[Floats2d]:
    upstream = upstream_of(model)
    layers = _of_docs(model, docs) or _of_batch(upstream, docs) or _of_parts(upstream, docs)
    if layers is not None:
        outputs: List[Floats2d] = pooling_of(model).predict(layers)
        return outputs
    if len(docs) > 1:
        # One without layers takes none from the others.
        return [output for doc in docs for output in _predict(model, [doc])]
    return _nothing(model, docs)


def _of_batch(upstream: Upstream, docs: Sequence[Doc]) -> Optional[FlatLayers]:
    return None if upstream.batch is None or not docs else upstream.batch.find(docs)


def _of_docs(model: ListenerT, docs: Sequence[Doc]) -> Optional[FlatLayers]:
    """What the embedder has left on the Docs; None if one has nothing.

    RAISES: ValueError if the layers are there, but not those that the listener reads, or they are of other tokens.
    """
    found: List[LayerOutputs] = []
    for doc in docs:
        layers = read_layers(doc)
        if layers is None:
            return None
        found.append(layers)
    if not found:
        return None
    names = settings_of(pooling_of(model)).names(found[0].n_layers)
    for layers in found:
        missing = [name for name in names if name not in layers.names]
        if missing:
            raise ValueError(
                Errors.EL102.format(missing=", ".join(missing), kept=", ".join(layers.names) or "none")
            )
    return flatten(found, names)


def _of_parts(upstream: Upstream, docs: Sequence[Doc]) -> Optional[FlatLayers]:
    """Docs that were cut out of others, as the entity linker does it, lose their layers: an embedder that is at
    work in the pipeline runs them once more."""
    if upstream.owner is None or upstream.starts or not upstream.owner.is_enabled:
        return None
    outputs = upstream.owner.predict(docs).docs
    return flatten(outputs, outputs[0].names) if outputs else None


def _nothing(model: ListenerT, docs: Sequence[Doc]) -> List[Floats2d]:
    upstream = upstream_of(model)
    if not model.has_dim("nO"):
        raise ValueError(Errors.EL103.format(upstream=upstream.name))
    if any(len(doc) for doc in docs) and not upstream.starts and not upstream.warned:
        upstream.warned = True
        warnings.warn(Warnings.WL003.format(upstream=upstream.name), stacklevel=2)
    return [model.ops.alloc2f(len(doc), model.get_dim("nO")) for doc in docs]


def _no_gradient(d_outputs: List[Floats2d]) -> List[Doc]:
    return []
