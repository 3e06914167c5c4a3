"""ELMo from the layers of a biLM, as bilm-tf's weight_layers computes it, in NumPy.

On purpose, the trained weights are arguments: bilm-tf keeps them in variables of TensorFlow, by name.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ElmoError, Errors, short_repr

# Added to the variance by bilm-tf; AllenNLP adds 1e-13.
_EPSILON = 1e-12


def weight_layers(
    name: str,
    bilm_ops: Mapping[str, ArrayLike],
    l2_coef: float | None = None,
    use_top_only: bool = False,
    do_layer_norm: bool = False,
    reuse: bool = False,
    *,
    weights: ArrayLike | None = None,
    gamma: ArrayLike = 1.0,
) -> dict[str, NDArray[np.floating] | float]:
    """Compute gamma * sum_k softmax(W)_k * layer_k over the layers of a batch.

    bilm-tf makes variables under `name`, W of zeros and a gamma of 1, and trains them. Here nothing is trained:
    without weights and gamma, the result is what a new mix of bilm-tf gives, the mean of the layers.

    name (str): A name for the user's own purposes.
    bilm_ops (Mapping[str, ArrayLike]): What a `BidirectionalLanguageModel` gives; `lm_embeddings`, (batch, L + 1,
        longest, 2P), and `mask`, (batch, longest), are read.
    l2_coef (float | None): The factor of the regularization; None: 0.
    use_top_only (bool): Take the top layer alone, without layer normalization, weights and regularization.
    do_layer_norm (bool): Normalize each layer before: subtract the mean of all its numbers in the batch, without
        padding, and divide by their standard deviation. The result depends on the batch, and padding is not zero.
    reuse (bool): Not used: there are no variables that two calls could share.
    weights (ArrayLike | None): W, the trained weights before the softmax, lowest layer first, (L + 1,); None:
        zeros.
    gamma (ArrayLike): The trained factor, one number.
    RETURNS (dict[str, NDArray | float]): `weighted_op`, (batch, longest, 2P), of the dtype of `lm_embeddings`; and
        `regularization_op`, l2_coef * sum(W ** 2).
    RAISES (ElmoError): If an array has the wrong shape.
    """
    layers, mask = np.asarray(bilm_ops["lm_embeddings"]), np.asarray(bilm_ops["mask"])
    if layers.ndim != 4 or not layers.shape[1]:
        _fail("bilm_ops['lm_embeddings']", "an array of shape (batch, n_layers, longest, width)", layers)
    n_layers = layers.shape[1]
    if mask.shape != (len(layers), layers.shape[2]):
        _fail("bilm_ops['mask']", f"an array of shape {(len(layers), layers.shape[2])}", mask)
    trained = np.zeros(n_layers) if weights is None else np.asarray(weights, dtype=np.float64)
    if trained.shape != (n_layers,):
        _fail("weights", f"an array of shape {(n_layers,)}, one for each layer", trained)
    if np.size(gamma) != 1:
        _fail("gamma", "one number", np.asarray(gamma))
    factor = float(np.asarray(gamma).reshape(()))
    if use_top_only:
        return {"weighted_op": factor * layers[:, -1], "regularization_op": 0.0}
    # bilm-tf adds 1 / n_layers to W, which the softmax cancels.
    powers = np.exp(trained - trained.max())
    parts = list(layers.swapaxes(0, 1))
    if do_layer_norm:
        parts = [_normalize(part, mask.astype(bool)) for part in parts]
    return {
        "weighted_op": _add([factor * float(share) for share in powers / powers.sum()], parts),
        "regularization_op": float(l2_coef or 0.0) * float(np.square(trained).sum()),
    }


def _add(factors: Sequence[float], parts: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
    total = factors[0] * parts[0]
    for factor, part in zip(factors[1:], parts[1:]):
        total += factor * part
    return total


def _normalize(layer: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.floating]:
    # In float32, sums over a whole batch would lose digits.
    tokens = layer[mask].astype(np.float64)
    mean, variance = (tokens.mean(), tokens.var()) if tokens.size else (0.0, 0.0)
    normalized: NDArray[np.floating] = ((layer - mean) / np.sqrt(variance + _EPSILON)).astype(layer.dtype)
    return normalized


def _fail(name: str, allowed: str, got: NDArray[np.generic]) -> None:
    shown = f"one of shape {got.shape}" if got.ndim else short_repr(got.item())
    raise ElmoError(Errors.EL882.format(name=name, allowed=allowed, got=shown))
