"""The character encoder of `bilm.char_encoder`, for inference on the CPU."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...bilm.alphabet import make_alphabet
from ...bilm.options import Options
from ...runtime.workers import Workers
from .linear import LinearType

# Word types are encoded in groups of these sizes; the last group is filled up. So a word type gives the same bits
# whichever others are in its group, and oneDNN compiles few kernels, which it keeps.
GROUP_SIZES = (128, 32)
# Most words are short: a group is truncated to the characters that its words need, one of these numbers.
WIDTHS = (18, 30)


class CpuCharEncoder:
    """Encodes word types.

    tensors (dict[str, Tensor]): The state_dict of a `bilm.char_encoder.CharEncoder`.
    options (Options): The options of the biLM.
    linear (LinearType): How matrix products are computed.
    workers (Workers): Encode groups of words in parallel.
    """

    def __init__(self, tensors: dict[str, Tensor], *, options: Options, linear: LinearType, workers: Workers):
        cnn = options.char_cnn
        self.options = options
        self._alphabet = make_alphabet(options)
        self._workers = workers
        self._embedding = tensors["embedding.weight"].clone()
        self._word_embedding = None if options.words is None else tensors["word_embedding.weight"].clone()
        self._activation = torch.tanh if cnn.activation == "tanh" else torch.relu

        def layer(name: str) -> "_Layer":
            weight = tensors[f"{name}.weight"]
            # A convolution is a product with concatenated characters of a window: (filters, width * dim).
            flat = weight.transpose(1, 2).flatten(1) if weight.dim() == 3 else weight
            return _Layer(linear, flat.contiguous(), tensors[f"{name}.bias"].clone())

        self._convolutions = [layer(f"convolutions.{i}") for i in range(len(cnn.filters))]
        self._highways = [
            (layer(f"highways.{i}.transform"), layer(f"highways.{i}.carry")) for i in range(cnn.n_highway)
        ]
        self._projection = layer("projection") if options.has_char_projection else None

    def encode(self, types: Sequence[str]) -> Tensor:
        """Compute word_emb of word types.

        types (Sequence[str]): The word types.
        RETURNS (Tensor): (n_types, P).
        """
        ids = self._alphabet.ids(types)
        encoded = torch.empty(len(types), self.options.lstm.projection_dim, dtype=torch.float32)

        @torch.inference_mode()
        def encode(chosen: tuple[np.ndarray, int]) -> None:
            rows, width = chosen
            size = _group_size(len(rows))
            group = np.full((size, width), self._alphabet.padding, dtype=np.int64)
            group[: len(rows)] = ids.characters[rows, :width]
            words: np.ndarray | None = None
            if ids.words is not None:
                words = np.zeros(size, dtype=np.int64)
                words[: len(rows)] = ids.words[rows]
            encoded[torch.from_numpy(rows)] = self._encode(group, words)[: len(rows)]

        self._workers.map(encode, [*self._groups(ids.characters)])
        return encoded

    def named_tensors(self) -> dict[str, Tensor]:
        """Get the state_dict that the encoder was made from, rounded if `linear` rounds.

        RETURNS (dict[str, Tensor]): The tensors.
        """
        dim = self.options.char_cnn.embedding_dim
        named = {"embedding.weight": self._embedding}
        if self._word_embedding is not None:
            named["word_embedding.weight"] = self._word_embedding
        for i, convolution in enumerate(self._convolutions):
            named[f"convolutions.{i}.weight"] = convolution.weight().unflatten(1, (-1, dim)).transpose(1, 2)
            named[f"convolutions.{i}.bias"] = convolution.bias
        layers: list[tuple[str, _Layer]] = []
        for i, (transform, carry) in enumerate(self._highways):
            layers += [(f"highways.{i}.transform", transform), (f"highways.{i}.carry", carry)]
        if self._projection is not None:
            layers.append(("projection", self._projection))
        for name, layer in layers:
            named[f"{name}.weight"] = layer.weight()
            named[f"{name}.bias"] = layer.bias
        return named

    def _groups(self, ids: "np.ndarray") -> Iterator[tuple["np.ndarray", int]]:
        """Yield groups of words: their rows of ids, and the number of characters to read."""
        whole = ids.shape[1]
        filled = ids[:, ::-1] != self._alphabet.padding
        n_characters = np.where(filled.any(axis=1), whole - filled.argmax(axis=1), 0)
        # Windows of padding count as well: if a word has any, one must remain for each filter.
        needed = n_characters + max(self.options.char_cnn.filters, default=(0, 0))[0]
        widths = np.asarray([width for width in WIDTHS if width < whole] + [whole])
        fitting = np.searchsorted(widths[:-1], needed)
        for number, width in enumerate(widths.tolist()):
            rows = np.flatnonzero(fitting == number)
            while len(rows):
                size = _group_size(len(rows))
                yield rows[:size], width
                rows = rows[size:]

    def _encode(self, ids: "np.ndarray", word_ids: "np.ndarray | None") -> Tensor:
        """Encode characters, (n_types, width), and word ids, (n_types,), of a model with whole words, to (n_types,
        P)."""
        words = self._convolve(ids)
        for transform, carry in self._highways:
            gate = torch.sigmoid(carry(words))
            words = torch.lerp(words, functional.relu(transform(words)), gate)
        if self._word_embedding is not None and word_ids is not None:
            words = torch.cat([self._word_embedding[torch.from_numpy(word_ids)], words], dim=1)
        return words if self._projection is None else self._projection(words)

    def _convolve(self, ids: "np.ndarray") -> Tensor:
        """Compute the lowest part, up to the activation, (n_types, n_filters)."""
        n_types, width = ids.shape
        if not self._convolutions:
            return self._embedding.new_empty(n_types, 0)
        dim = self.options.char_cnn.embedding_dim
        characters = self._embedding[torch.from_numpy(ids)]
        maxima = []
        for (span, number), convolution in zip(self.options.char_cnn.filters, self._convolutions, strict=True):
            n_windows = width - span + 1
            windows = characters.as_strided((n_types, n_windows, span * dim), (width * dim, dim, 1))
            outputs = convolution(windows.reshape(-1, span * dim))
            maxima.append(outputs.view(n_types, n_windows, number).amax(dim=1))
        return self._activation(torch.cat(maxima, dim=1))


class _Layer:
    """A matrix product with an accessible bias."""

    def __init__(self, linear: LinearType, weight: Tensor, bias: Tensor):
        self._linear = linear(weight, bias)
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        return self._linear(self._linear.prepare(x))

    def weight(self) -> Tensor:
        return self._linear.weight()


def _group_size(n: int) -> int:
    """Choose the largest size that n words fill, or the smallest one."""
    return next((size for size in GROUP_SIZES if size <= n), GROUP_SIZES[-1])
