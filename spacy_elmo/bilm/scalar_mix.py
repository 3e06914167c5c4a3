"""The scalar mix: a trained weighted sum of the layers (Peters et al. 2018, equation 1)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from ..errors import ElmoError, ElmoTypeError, Errors, short_repr

# How many numbers of a layer are mixed at a time on the CPU: intermediate results then stay in its cache.
MOST_NUMBERS = 1 << 16


class MixGradients(NamedTuple):
    """The gradients of a scalar mix.

    weights (Tensor): (n_layers,), of the weights before the softmax.
    gamma (Tensor): (), of gamma.
    layers (Callable[[], list[Tensor]]): Computes those of the layers, in the shapes of the layers.
    """

    weights: Tensor
    gamma: Tensor
    layers: Callable[[], list[Tensor]]


class ScalarMix(nn.Module):
    """gamma * sum_j softmax(w)_j h_j.

    n_layers (int): The number of layers, L + 1 for a biLM with L LSTM layers.
    layer_norm (bool): Whether to normalize each layer first, by one mean and one variance over all unmasked
        numbers of the whole batch, as in AllenNLP's ScalarMix; results then depend on the batch.
    """

    def __init__(self, *, n_layers: int, layer_norm: bool = False):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(n_layers))
        self.gamma = nn.Parameter(torch.ones(()))
        self.layer_norm = layer_norm

    def extra_repr(self) -> str:
        shares = torch.softmax(self.weights.detach().float(), dim=0).tolist()
        return f"shares={[round(share, 4) for share in shares]}, gamma={float(self.gamma.detach()):.4g}"

    def forward(self, layers: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
        """Mix the layers.

        layers (Sequence[Tensor]): n_layers tensors (..., 2P); one of (..., P) is used twice, side by side.
        mask (Tensor | None): (...), true for tokens; None: all are. Only used with layer_norm.
        RETURNS (Tensor): (..., 2P).
        RAISES (ElmoError): If there are more or fewer layers than weights, or their shapes do not match.
        """
        check_layers(layers, n_weights=len(self.weights))
        if self.layer_norm:
            width = max(layer.size(-1) for layer in layers)
            layers = [normalize(widen(layer, width), mask) for layer in layers]
        return mix(self.weights, self.gamma, layers)

    @torch.inference_mode()
    def mix_bilm(self, word_emb: Tensor, lstm: Sequence[Tensor]) -> Tensor:
        """Mix the layers of a biLM without gradients, with hardly more memory than for the result.

        word_emb (Tensor): (n, P); it is used twice, side by side.
        lstm (Sequence[Tensor]): L tensors (n, 2P).
        RETURNS (Tensor): (n, 2P).
        RAISES (ElmoError): As `forward`.
        """
        width = 2 * word_emb.size(1)
        if self.layer_norm or len(self.weights) != 1 + len(lstm):
            return self.forward([word_emb, *lstm])
        if word_emb.is_cuda or word_emb.size(0) * width <= MOST_NUMBERS:
            return mix_layers(self.weights, self.gamma, [word_emb, *lstm])
        mixed = torch.empty_like(lstm[0])
        n_rows = max(1, MOST_NUMBERS // width)
        for rows, *layers in zip(*(part.split(n_rows) for part in (mixed, word_emb, *lstm))):
            rows.copy_(mix_layers(self.weights, self.gamma, layers))
        return mixed


def check_layers(layers: Sequence[Tensor], *, n_weights: int) -> None:
    """Check that layers can be mixed.

    layers (Sequence[Tensor]): (..., P) or (..., 2P) each.
    n_weights (int): The number of weights of the mix.
    RAISES (ElmoError): If there are more or fewer layers, or their shapes do not match.
    RAISES (TypeError): If one of them is no tensor.
    """
    for layer in layers:
        if not isinstance(layer, Tensor):
            raise ElmoTypeError(Errors.EL262.format(got=short_repr(layer)))
    if len(layers) != n_weights:
        raise ElmoError(Errors.EL241.format(n_weights=n_weights, n_layers=len(layers)))
    shapes = [tuple(layer.shape) for layer in layers]
    widest = max(shapes, key=lambda shape: shape[-1:])
    narrow = (*widest[:-1], widest[-1] // 2) if widest and widest[-1] % 2 == 0 else widest
    if not all(shape in (widest, narrow) for shape in shapes):
        raise ElmoError(Errors.EL259.format(shapes=", ".join(map(str, shapes))))


def mix(weights: Tensor, gamma: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Compute a scalar mix with gradients.

    weights (Tensor): See `mix_layers`.
    gamma (Tensor): See `mix_layers`.
    layers (Sequence[Tensor]): See `mix_layers`.
    RETURNS (Tensor): (..., 2P).
    """
    mixed: Tensor = _Mix.apply(weights, gamma, *layers)
    return mixed


def mix_layers(weights: Tensor, gamma: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """Compute a scalar mix.

    weights (Tensor): (n_layers,), before the softmax.
    gamma (Tensor): (), the factor of the mix.
    layers (Sequence[Tensor]): (..., 2P) each; one of (..., P) is used twice, side by side.
    RETURNS (Tensor): (..., 2P).
    """
    dtype, width = layers[0].dtype, layers[0].size(-1)
    for layer in layers[1:]:
        dtype, width = torch.promote_types(dtype, layer.dtype), max(width, layer.size(-1))
    mixed: Tensor | None = None
    for share, layer in zip(torch.softmax(weights, dim=0).to(dtype).unbind(), layers, strict=True):
        wide = layer if layer.size(-1) == width else torch.cat([layer, layer], dim=-1)
        mixed = share * wide.to(dtype) if mixed is None else mixed.add_(share * wide)
    assert mixed is not None
    return mixed.mul_(gamma.to(dtype))


def differentiate_mix(d_mixed: Tensor, weights: Tensor, gamma: Tensor, layers: Sequence[Tensor]) -> MixGradients:
    """Compute the gradients of a scalar mix, which can be differentiated again.

    d_mixed (Tensor): (..., 2P), the gradient of the mix.
    weights (Tensor): See `mix_layers`.
    gamma (Tensor): See `mix_layers`.
    layers (Sequence[Tensor]): See `mix_layers`.
    RETURNS (MixGradients): The gradients.
    """
    shares = torch.softmax(weights, dim=0)
    folded = [_fold(d_mixed, layer.size(-1)) for layer in layers]
    # Sums over all tokens: in float32 they would lose digits. Metal has no float64.
    exact = torch.float32 if d_mixed.device.type == "mps" else torch.float64
    answers = torch.stack([(d * layer).sum(dtype=exact) for d, layer in zip(folded, layers, strict=True)])
    answers = answers.to(shares.dtype)
    d_shares = gamma * answers
    return MixGradients(
        shares * (d_shares - (shares * d_shares).sum()),
        (shares * answers).sum(),
        lambda: [
            (d * (gamma * share).to(d.dtype)).to(layer.dtype) for share, d, layer in zip(shares, folded, layers)
        ],
    )


def normalize(layer: Tensor, mask: Tensor | None) -> Tensor:
    """Normalize a layer by one mean and one variance of the whole batch (AllenNLP, ScalarMix).

    layer (Tensor): (..., width).
    mask (Tensor | None): (...), true for tokens, which alone count; None: all are.
    RETURNS (Tensor): (..., width).
    """
    kept = torch.ones_like(layer) if mask is None else mask.to(layer.dtype).unsqueeze(-1).expand_as(layer)
    count = kept.sum()
    mean = (layer * kept).sum() / count
    variance = (((layer - mean) * kept) ** 2).sum() / count
    # The epsilon of AllenNLP, added to the variance.
    return (layer - mean) / torch.sqrt(variance + 1e-13)


def widen(layer: Tensor, width: int) -> Tensor:
    """Put a layer of half the width twice side by side.

    layer (Tensor): (..., P) or (..., 2P).
    width (int): 2P.
    RETURNS (Tensor): (..., 2P); the same tensor if it is as wide.
    """
    return layer if layer.size(-1) == width else torch.cat([layer, layer], dim=-1)


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]


class _Mix(torch.autograd.Function):
    """`mix_layers` for autograd. Of what a backward pass needs, nothing is kept but the layers."""

    @staticmethod
    def forward(ctx: _Context, weights: Tensor, gamma: Tensor, *layers: Tensor) -> Tensor:
        ctx.save_for_backward(weights, gamma, *layers)
        return mix_layers(weights, gamma, layers)

    @staticmethod
    def backward(ctx: _Context, d_mixed: Tensor) -> tuple[Tensor | None, ...]:
        weights, gamma, *layers = ctx.saved_tensors
        found = differentiate_mix(d_mixed, weights, gamma, layers)
        needed = ctx.needs_input_grad[2:]
        d_layers = found.layers() if any(needed) else [None] * len(layers)
        return found.weights, found.gamma, *(d if need else None for d, need in zip(d_layers, needed))


def _fold(d: Tensor, width: int) -> Tensor:
    """Add up both halves of the gradient of a layer that was used twice, side by side."""
    return d if d.size(-1) == width else d[..., :width] + d[..., width:]
