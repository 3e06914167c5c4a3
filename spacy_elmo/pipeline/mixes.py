"""What a pipeline has learnt of the layers: every scalar mix in it."""

from typing import Any, Iterator, List, NamedTuple, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from thinc.api import Model

from ..models.pooling import OWN_MIX
from .embedder import ElmoEmbedder

SHARED = "shared (elmo)"


class LearnedMix(NamedTuple):
    """name: of the component, or `SHARED` for the embedder's own. shares: of each layer, lowest first; their sum
    is 1."""

    name: str
    shares: List[float]
    gamma: float


def mixes_of(nlp: Language) -> List[LearnedMix]:
    """The mixes of all components, disabled ones too, in the pipeline's order.

    RETURNS: several of one component are numbered.
    RAISES: as `spacy_elmo.load`, if an embedder has no weights yet and they cannot be read.
    """
    found: List[LearnedMix] = []
    for name, component in nlp.components:
        own = [_learned(weights, gamma) for weights, gamma in _mixes(component)]
        label = SHARED if isinstance(component, ElmoEmbedder) else name
        found += [
            LearnedMix(label if len(own) == 1 else f"{label} {k}", *mix) for k, mix in enumerate(own, start=1)
        ]
    return found


def _mixes(component: Any) -> Iterator[Tuple[NDArray[Any], float]]:
    """Weights before the softmax, and gamma."""
    model = getattr(component, "model", None)
    if isinstance(component, ElmoEmbedder):
        mix = component.elmo.mix
        yield mix.weights.detach().cpu().numpy(), float(mix.gamma.detach())
    elif isinstance(model, Model):
        for node in model.walk():
            if node.name == OWN_MIX and node.has_param("weights"):
                weights, gamma = (node.ops.to_numpy(node.get_param(param)) for param in ("weights", "gamma"))
                yield weights, float(gamma[0])


def _learned(weights: NDArray[Any], gamma: float) -> Tuple[List[float], float]:
    shares = np.exp(weights.astype(np.float64) - weights.max())
    return [float(share) for share in shares / shares.sum()], gamma
