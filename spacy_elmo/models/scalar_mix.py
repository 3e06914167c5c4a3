"""The scalar mix on arrays of the active Ops: gamma * sum_j softmax(w)_j h_j (Peters et al. 2018, equation 1)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from thinc.types import Floats1d, Floats2d

from ..errors import Errors


class MixGradients(NamedTuple):
    """weights: (n_layers,). gamma: (). layers: of the shapes of the layers."""

    weights: Floats1d
    gamma: float
    layers: Callable[[], list[Floats2d]]


def mix(
    xp: Any, layers: Sequence[Floats2d], weights: Floats1d, gamma: float
) -> tuple[Floats2d, Callable[[Floats2d], MixGradients]]:
    """Mix layers, and what turns the gradient of the result into gradients.

    xp: numpy or cupy. layers: (n_tokens, 2P); one of half that width counts as itself twice, side by side.
    weights: (n_layers,), before the softmax.
    RETURNS: (n_tokens, 2P), and the function; gradients of the layers are computed when they are asked for.
    RAISES: ValueError if there are more or fewer layers than weights.
    """
    if len(layers) != len(weights):
        raise ValueError(Errors.EL241.format(n_weights=len(weights), n_layers=len(layers)))
    shares = _softmax(xp, weights)
    width = max(layer.shape[1] for layer in layers)
    mixed: Any = xp.zeros((layers[0].shape[0], width), dtype=layers[0].dtype)
    for share, layer in zip(shares, layers, strict=True):
        for start in range(0, width, layer.shape[1]):
            mixed[:, start : start + layer.shape[1]] += share * layer
    mixed *= gamma

    def backprop(d_mixed: Floats2d) -> MixGradients:
        folded = [_fold(d_mixed, layer.shape[1]) for layer in layers]
        # Sums over all tokens: in float32 they would lose digits.
        answers = xp.asarray([(d * layer).sum(dtype="float64") for d, layer in zip(folded, layers, strict=True)])
        d_shares = gamma * answers
        d_weights = shares * (d_shares - (shares * d_shares).sum())
        return MixGradients(
            d_weights.astype(weights.dtype),
            float((shares * answers).sum()),
            lambda: [gamma * share * d for share, d in zip(shares, folded, strict=True)],
        )

    return mixed, backprop


def _softmax(xp: Any, weights: Any) -> Any:
    powers = xp.exp(weights - weights.max())
    return powers / powers.sum()


def _fold(d: Any, width: int) -> Any:
    """Gradient of a layer that was laid side by side with itself."""
    return d if d.shape[1] == width else d[:, :width] + d[:, width:]
