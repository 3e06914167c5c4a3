"""The scalar mixes of a pipeline: how much each component reads of each layer."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from thinc.api import Model

from ..bilm.layers import MIXED, layer_names
from ..elmo import Elmo
from ..models.module import get_module
from ..models.pooling import OWN_MIX, get_pooling_settings
from ..models.tok2vec import NODE as TOK2VEC
from ..weights.arrays import mix_shares
from .embedder import ElmoEmbedder

SHARED = "shared (elmo)"


class LearnedMix(NamedTuple):
    """A scalar mix.

    name (str): The component's name, or `SHARED` for the embedder's mix.
    shares (list[float]): The share of each layer, lowest first; their sum is 1.
    gamma (float): The factor of the mix.
    """

    name: str
    shares: list[float]
    gamma: float


def find_mixes(nlp: Language) -> list[LearnedMix]:
    """Find the mixes of all components, including disabled ones.

    nlp (Language): The pipeline.
    RETURNS (list[LearnedMix]): In the order of the components; several of one component are numbered.
    RAISES (Exception): As `spacy_elmo.load`, if the weights of an embedder have not been read, and cannot be read.
    """
    found: list[LearnedMix] = []
    embedders = [name for name, component in nlp.components if isinstance(component, ElmoEmbedder)]
    for name, component in nlp.components:
        own = [(mix_shares(weights), gamma) for weights, gamma in _iter_mixes(component)]
        label = name
        if name in embedders:
            label = SHARED if len(embedders) == 1 else f"{name}, {SHARED}"
        found += [
            LearnedMix(label if len(own) == 1 else f"{label} {k}", *mix) for k, mix in enumerate(own, start=1)
        ]
    return found


def list_mixed_layers(mixes: Sequence[LearnedMix]) -> list[str]:
    """List the layers of the deepest model, without the mix itself.

    mixes (Sequence[LearnedMix]): Mixes; one at least.
    RETURNS (list[str]): The names, lowest first.
    """
    n_layers = max(len(mix.shares) for mix in mixes)
    return layer_names(n_layers - 1)[:n_layers]


def list_mixes(elmo: Elmo, *, name: str = MIXED) -> list[LearnedMix]:
    """List the mixes of a model without a pipeline.

    elmo (Elmo): The model.
    name (str): What they are called.
    RETURNS (list[LearnedMix]): The mix of the layer "elmo", and `more_mixes`; several are numbered.
    """
    mixes = [elmo.mix, *elmo.more_mixes]
    names = [name] if len(mixes) == 1 else [f"{name} {number}" for number in range(1, len(mixes) + 1)]
    return [
        LearnedMix(one, mix_shares(mix.weights.detach().cpu().numpy()), float(mix.gamma.detach()))
        for one, mix in zip(names, mixes)
    ]


def _iter_mixes(component: object) -> Iterator[tuple[NDArray[np.floating], float]]:
    """Yield the weights before the softmax, and gamma, of each mix."""
    model = getattr(component, "model", None)
    if isinstance(component, ElmoEmbedder):
        yield _get_mix(component.elmo)
    elif isinstance(model, Model):
        for node in model.walk():
            if node.name == OWN_MIX and node.has_param("weights"):
                weights, gamma = (node.ops.to_numpy(node.get_param(param)) for param in ("weights", "gamma"))
                yield weights, float(gamma[0])
            elif node.name == TOK2VEC and get_pooling_settings(node.layers[1]).pooling_layer == MIXED:
                yield _get_mix(get_module(node.layers[0]).sync())


def _get_mix(elmo: Elmo) -> tuple[NDArray[np.floating], float]:
    return elmo.mix.weights.detach().cpu().numpy(), float(elmo.mix.gamma.detach())
