"""ELMo inside one component, shared with nobody; and how a listener becomes that."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..errors import ElmoError, Errors
from ..layer_cache.settings import CacheSettings
from .listener import ListenerT, get_pooling
from .module import ElmoModelT, get_module
from .pooling import PoolingT, fit_to, get_pooling_settings
from .predict import embed_flat
from .settings import TrainingSettings
from .update import begin_update

LISTENER = "spacy-elmo.ElmoListener.v1"
TOK2VEC = "spacy-elmo.ElmoTok2Vec.v1"
NODE = "elmo_tok2vec"
Tok2VecT = Model[list[Doc], list[Floats2d]]


def build_elmo_tok2vec_v1(
    elmo: ElmoModelT,
    listener: ListenerT,
    source: str | list[str] | None = "en_sm",
    frozen: bool = True,
    trainable: str | list[str] = ".*",
    learn_rate_factor: float = 0.3,
    warmup_steps: int = 200,
    dropout: float = 0.0,
    cache: CacheSettings | None = None,
) -> Tok2VecT:
    """A `tok2vec` layer with a biLM of its own, registered as spacy-elmo.ElmoTok2Vec.v1.

    elmo (Model): of spacy-elmo.Elmo.v1. listener (Model): of spacy-elmo.ElmoListener.v1; its `upstream` is not
        used.
    source (str | list[str] | None): where the weights are read once, when the component is initialised or
        first used. A component that was saved never looks there. null: they come with the component.
    frozen, trainable, learn_rate_factor, warmup_steps, dropout, cache: as in the config of the embedder.
    RETURNS (Model[list[Doc], list[Floats2d]]): (len(doc), width) for each Doc.
    RAISES (ElmoError): for a value that is not allowed.
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


def init(model: Tok2VecT, X: Any = None, Y: Any = None) -> None:  # noqa: N803
    """Read the weights, unless they are there already: then take back what they have learnt since."""
    elmo, pooling = model.layers
    get_module(elmo).reset()
    fit_to(pooling, get_module(elmo).load(), where="the biLM")
    model.set_dim("nO", pooling.get_dim("nO"))
    pooling.initialize()


def forward(
    model: Tok2VecT, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
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


def replace_listener(elmo: ElmoModelT, listener: ListenerT, embedder: Any) -> Tok2VecT:
    """For `nlp.replace_listeners`: what stands in a listener's place, over a copy of the embedder's model."""
    if embedder.is_incomplete:
        # spaCy's copy is of weights that have not been read, or lack a step: sources may be gone when it is used.
        elmo = embedder.complete_model().copy()
    return _make_tok2vec(elmo, get_pooling(listener))


class ReplaceListenerConfig:
    """For `nlp.replace_listeners`: (config of the embedder's model, config of a `tok2vec` layer) -> config of what
    `replace_listener` has made. Knows the embedder's settings, which spaCy does not hand over."""

    def __init__(self, settings: TrainingSettings):
        self.settings = settings

    def __call__(self, elmo: dict[str, Any], tok2vec: dict[str, Any]) -> dict[str, Any]:
        """RAISES (ElmoError): If there is no listener in the layer, or there are several, so that it cannot be
        told which one is asked for.
        """
        found = list(_find_listeners(tok2vec))
        if not found or any(block != found[0] for block in found):
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


def _find_listeners(block: Any) -> Iterator[dict[str, Any]]:
    """Every listener's block, at any depth."""
    if isinstance(block, dict):
        if block.get("@architectures") == LISTENER:
            yield block
        else:
            for value in block.values():
                yield from _find_listeners(value)


def make_replaceable(model: ElmoModelT, settings: TrainingSettings) -> ElmoModelT:
    """Let `nlp.replace_listeners` copy the model.

    model (ElmoModelT): Of an embedder.
    settings (TrainingSettings): Of the embedder.
    RETURNS (ElmoModelT): The model itself.
    """
    model.attrs["replace_listener"] = replace_listener
    model.attrs["replace_listener_cfg"] = ReplaceListenerConfig(settings)
    return model
