"""What softmax comes with a model, told by the shapes of its arrays."""

from typing import NamedTuple

from ..errors import Errors
from .arrays import SOFTMAX_PREFIX, Weights

_HEAD = f"{SOFTMAX_PREFIX}adaptive.head.weight"
_TAIL = f"{SOFTMAX_PREFIX}adaptive.tail."


class SoftmaxFacts(NamedTuple):
    """kind: "full", or "adaptive", which is PyTorch's. n_words: that it predicts. cutoffs: words up to which the
    head and each cluster but the last of an adaptive one go; of a full one none."""

    kind: str
    n_words: int
    cutoffs: list[int]


def softmax_facts(weights: Weights) -> SoftmaxFacts | None:
    """RETURNS: None if the weights have no softmax. RAISES: ValueError if an adaptive one cannot be."""
    if not weights.has_softmax:
        return None
    arrays = weights.arrays
    if _HEAD not in arrays:
        return SoftmaxFacts("full", len(arrays[f"{SOFTMAX_PREFIX}weight"]), [])
    n_clusters = sum(name.startswith(_TAIL) and name.endswith(".1.weight") for name in arrays)
    sizes = [len(arrays[f"{_TAIL}{k}.1.weight"]) for k in range(n_clusters)]
    # After its words, the head has a row for each cluster.
    ends = [len(arrays[_HEAD]) - n_clusters]
    if not sizes or min(*ends, *sizes) < 1:
        raise ValueError(
            Errors.EL093.format(path=weights.source, rows=len(arrays[_HEAD]), sizes=sizes or "no words")
        )
    for size in sizes:
        ends.append(ends[-1] + size)
    return SoftmaxFacts("adaptive", ends[-1], ends[:-1])
