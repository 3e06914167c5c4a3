"""The scalar mix: a trained weighted sum of the layers (Peters et al. 2018, equation 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import ElmoError, Errors

# How many numbers of a layer are mixed at a time on the CPU: intermediate results then stay in its cache.
MOST_NUMBERS = 1 << 16


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

        layers (Sequence[Tensor]): n_layers tensors (..., width) of the same shape.
        mask (Tensor | None): (...), true for tokens; None: all are. Only used with layer_norm.
        RETURNS (Tensor): (..., width).
        RAISES (ElmoError): If there are more or fewer layers than weights.
        """
        if len(layers) != len(self.weights):
            raise ElmoError(Errors.EL241.format(n_weights=len(self.weights), n_layers=len(layers)))
        if self.layer_norm:
            layers = [_normalize(layer, mask) for layer in layers]
        shares = torch.softmax(self.weights, dim=0).unbind()
        mixed = shares[0] * layers[0]
        for share, layer in zip(shares[1:], layers[1:], strict=True):
            mixed = mixed + share * layer
        return self.gamma * mixed

    @torch.inference_mode()
    def mix_bilm(self, word_emb: Tensor, lstm: Sequence[Tensor]) -> Tensor:
        """Mix the layers of a biLM without gradients, with hardly more memory than for the result.

        word_emb (Tensor): (n, P); it is used twice, side by side.
        lstm (Sequence[Tensor]): L tensors (n, 2P).
        RETURNS (Tensor): (n, 2P).
        RAISES (ElmoError): As `forward`.
        """
        width = 2 * word_emb.size(1)
        if word_emb.is_cuda or self.layer_norm or word_emb.size(0) * width <= MOST_NUMBERS:
            return self.forward([torch.cat([word_emb, word_emb], dim=1), *lstm])
        mixed = torch.empty_like(lstm[0])
        n_rows = max(1, MOST_NUMBERS // width)
        for rows, words, *layers in zip(*(part.split(n_rows) for part in (mixed, word_emb, *lstm))):
            rows.copy_(self.forward([torch.cat([words, words], dim=1), *layers]))
        return mixed


def _normalize(layer: Tensor, mask: Tensor | None) -> Tensor:
    kept = torch.ones_like(layer) if mask is None else mask.to(layer.dtype).unsqueeze(-1).expand_as(layer)
    count = kept.sum()
    mean = (layer * kept).sum() / count
    variance = (((layer - mean) * kept) ** 2).sum() / count
    # The epsilon of AllenNLP, added to the variance.
    return (layer - mean) / torch.sqrt(variance + 1e-13)
