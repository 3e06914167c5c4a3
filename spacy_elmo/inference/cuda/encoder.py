"""The character encoder of `bilm.char_encoder` on a GPU: the same layers, with more exact sums."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...bilm.alphabet import make_alphabet
from ...bilm.char_encoder import CharEncoder, Highway
from ...bilm.options import Options
from ...gpu.transfer import to_device

# Word types that are encoded together: their convolutions take some 50 numbers a filter.
ENCODER_BATCH = 1024
# The library adds up the products of a row one by one; for long rows, sums of parts of this length are added up.
PART = 256


class CudaEncoder:
    """Encodes word types.

    encoder (CharEncoder): The module, in evaluation mode, on the device.
    options (Options): The options of the biLM.
    device (torch.device): The device.
    """

    def __init__(self, encoder: CharEncoder, *, options: Options, device: torch.device):
        self.module = encoder
        self._alphabet = make_alphabet(options)
        self._device = device

    def encode(self, types: Sequence[str]) -> Tensor:
        """Compute word_emb of word types.

        types (Sequence[str]): The word types.
        RETURNS (Tensor): (n_types, P), float32.
        """
        parts = [self._encode(types[i : i + ENCODER_BATCH]) for i in range(0, len(types), ENCODER_BATCH)]
        return torch.cat(parts)

    def _encode(self, types: Sequence[str]) -> Tensor:
        encoder, ids = self.module, self._alphabet.ids(types)
        words = encoder.convolve(to_device(ids.characters, self._device))
        for highway in encoder.highways:
            words = _highway(highway, words)
        known: Tensor | None = None if ids.words is None else to_device(ids.words, self._device)
        words = encoder.append_words(words, known)
        return words if encoder.projection is None else _linear(encoder.projection, words)


def _highway(highway: Highway, x: Tensor) -> Tensor:
    return highway.combine(_linear(highway.carry, x), _linear(highway.transform, x), x)


def _linear(linear: nn.Linear, x: Tensor) -> Tensor:
    length = x.size(1)
    if length % PART or length == PART:
        whole: Tensor = linear(x)
        return whole
    parts = x.unflatten(1, (-1, PART)).transpose(0, 1)
    weights = linear.weight.unflatten(1, (-1, PART)).permute(1, 2, 0)
    return torch.bmm(parts, weights).sum(dim=0) + linear.bias
