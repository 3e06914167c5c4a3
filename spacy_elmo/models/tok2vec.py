"""A `tok2vec` layer with a separate biLM, and how `nlp.replace_listeners` turns a listener into one."""

import copy
from collections.abc import Callable, Iterator

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..errors import ElmoError, Errors
from ..gradients.selection import ALL_PARAMETERS
from ..layer_cache.settings import CacheSettings
from .listener import Embedder, ListenerT, get_pooling
from .module import ElmoModelT, get_module
from .pooling import PoolingT, fit_to, get_pooling_settings
from .predict import embed_flat
from .settings import TrainingSettings
from .update import begin_update

LISTENER = "spacy-elmo.ElmoListener.v1"
TOK2VEC = "spacy-elmo.ElmoTok2Vec.v1"
NODE = "elmo_tok2vec"
Tok2VecT = Model[list[Doc], list[Floats2d]]
# A block of a config.
Block = dict[str, object]


def build_elmo_tok2vec_v1(
    elmo: ElmoModelT,
    listener: ListenerT,
    source: str | list[str] | None = "en_sm",
    frozen: bool = True,
    trainable: str | list[str] = ALL_PARAMETERS,
    learn_rate_factor: float = 0.3,
    warmup_steps: int = 200,
    dropout: float = 0.0,
    cache: CacheSettings | None = None,
) -> Tok2VecT:
    """Build a `tok2vec` layer with a separate biLM, registered as spacy-elmo.ElmoTok2Vec.v1.

    elmo (Model): As from spacy-elmo.Elmo.v1.
    listener (Model): As from spacy-elmo.ElmoListener.v1; its `upstream` is not used.
    source (str | list[str] | None): The source of the weights, read once, when the component is initialized or
        first used. A component that was saved never reads it. null: the weights come with the component.
    frozen (bool): See `TrainingSettings`.
    trainable (str | list[str]): See `TrainingSettings`.
    learn_rate_factor (float): See `TrainingSettings`.
    warmup_steps (int): See `TrainingSettings`.
    dropout (float): See `TrainingSettings`.
    cache (CacheSettings | None): See `TrainingSettings`.
    RETURNS (Model[list[Doc], list[Floats2d]]): (len(doc), width) for each Doc.
    RAISES (ElmoError): If a value is not allowed.
    """
    get_module(elmo).training_settings = TrainingSettings(
        source=source,
        frozen=frozen,
        trainable=trainable,
        learn_rate_factor=learn_rate_factor,
        warmup_steps=warmup_steps,
        dropout=dropout,
        cache=cache,
    )
    return _make_tok2vec(elmo, get_pooling(listener))


def _make_tok2vec(elmo: ElmoModelT, pooling: PoolingT) -> Tok2VecT:
    return Model(NODE, forward, init=init, dims={"nO": pooling.maybe_get_dim("nO")}, layers=[elmo, pooling])


def init(model: Tok2VecT, **_samples: object) -> None:
    """Read the weights; if they have been read, undo their training.

    model (Tok2VecT): The layer.
    """
    elmo, pooling = model.layers
    get_module(elmo).reset()
    fit_to(pooling, get_module(elmo).load(), where="the biLM")
    model.set_dim("nO", pooling.get_dim("nO"))
    pooling.initialize()


def forward(
    model: Tok2VecT, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    """Compute the vectors of Docs.

    model (Tok2VecT): The layer.
    docs (list[Doc]): The Docs.
    is_train (bool): Whether the backward pass trains the layer.
    RETURNS (tuple[list[Floats2d], Callable]): (len(doc), width) for each Doc, and the backward pass.
    """
    elmo, pooling = model.layers
    module = get_module(elmo)
    names = get_pooling_settings(pooling).names(module.load().n_layers)
    if not docs:
        return [], lambda d_outputs: []
    if is_train:
        layers = begin_update(module, docs, names, elmo.ops)
    else:
        layers = embed_flat(module.sync(), module.map_tokens(docs), names, elmo.ops)
    outputs, backprop = pooling(layers, is_train)

    def finish(d_outputs: list[Floats2d]) -> list[Doc]:
        backprop(d_outputs)
        return []

    return outputs, finish


def replace_listener(elmo: ElmoModelT, listener: ListenerT, embedder: Embedder) -> Tok2VecT:
    """Make the layer that takes the place of a listener; called by `nlp.replace_listeners`.

    elmo (ElmoModelT): A copy of the embedder's model.
    listener (ListenerT): The listener.
    embedder (Embedder): The embedder.
    RETURNS (Tok2VecT): The layer.
    """
    if embedder.is_incomplete:
        # The copy lacks weights or a step: it could not read them later, if the source is removed.
        elmo = embedder.complete_model().copy()
    return _make_tok2vec(elmo, get_pooling(listener))


class ReplaceListenerConfig:
    """Makes the config of what `replace_listener` makes; called by `nlp.replace_listeners`.

    settings (TrainingSettings): The embedder's settings, which spaCy does not pass.
    """

    def __init__(self, settings: TrainingSettings):
        self.settings = settings

    def __call__(self, elmo: Block, tok2vec: Block) -> Block:
        """Make the config.

        elmo (Block): The config of the embedder's model.
        tok2vec (Block): The config of a `tok2vec` layer with a listener.
        RETURNS (Block): The config of the layer without a listener.
        RAISES (ElmoError): If the layer has no listener, or several that differ.
        """
        found: list[Block] = []
        for block in _find_listeners(tok2vec):
            if block not in found:
                found.append(block)
        if len(found) != 1:
            raise ElmoError(Errors.EL120.format(listener=LISTENER, count=len(found)))
        settings = self.settings
        return {
            "@architectures": TOK2VEC,
            # The weights are saved with the component.
            "source": None,
            "frozen": settings.frozen,
            "trainable": settings.patterns,
            "learn_rate_factor": settings.learn_rate_factor,
            "warmup_steps": settings.warmup_steps,
            "dropout": settings.dropout,
            "elmo": copy.deepcopy(elmo),
            "listener": copy.deepcopy(found[0]),
        }


def _find_listeners(block: object) -> Iterator[Block]:
    """Yield the block of every listener, at any depth."""
    if isinstance(block, dict):
        if block.get("@architectures") == LISTENER:
            yield block
        else:
            for value in block.values():
                yield from _find_listeners(value)


def make_replaceable(model: ElmoModelT, settings: TrainingSettings) -> ElmoModelT:
    """Prepare a model for `nlp.replace_listeners`.

    model (ElmoModelT): The embedder's model.
    settings (TrainingSettings): The embedder's settings.
    RETURNS (ElmoModelT): The model itself.
    """
    model.attrs["replace_listener"] = replace_listener
    model.attrs["replace_listener_cfg"] = ReplaceListenerConfig(settings)
    return model
