"""The plain engine: the trainable modules themselves, without gradients."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState
from ..gpu.support import tf32
from ..runtime.isolation import computation
from ..runtime.processors import torch_threads
from ..runtime.workers import Plan, Workers
from .base import CPU_BATCH_TOKENS, N_BOUNDARIES, BatchOutputs, Delivery, InPlace, Sentence
from .cuda.delivery import CudaDelivery
from .sentences import find_token_rows, find_word_types

# Word types that go through the character encoder at a time: their filters' outputs take 50 numbers a filter.
ENCODER_BATCH = 256


class ReferenceEngine:
    """Batched PyTorch, each word type encoded once a batch. See `Engine` for the contract.

    precision: "tf32" and "bf16" round what matrix products multiply, on a GPU.
    initial_state: where every sentence starts from, hidden (2, L, P) and cell (2, L, C); None: zeros.
    n_threads: of torch's, on the CPU; see `Settings`.
    """

    def __init__(
        self,
        *,
        bilm: BiLM,
        precision: str = "fp32",
        initial_state: LSTMState | None = None,
        n_threads: int | None = None,
    ):
        self.bilm = bilm
        self.precision = precision
        self.initial_state = initial_state
        self.workers = Workers(n_threads)
        device = bilm.char_encoder.embedding.weight.device
        self.delivery: Delivery = CudaDelivery(device) if device.type == "cuda" else InPlace()

    def batch_tokens(self) -> int:
        return CPU_BATCH_TOKENS

    def release(self) -> None:
        """Nothing is kept."""

    @property
    def module(self) -> nn.Module | None:
        return self.bilm

    def named_tensors(self) -> dict[str, Tensor]:
        return self.bilm.state_dict()

    def run(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> BatchOutputs:
        like = self.bilm.char_encoder.embedding.weight
        with computation(), torch.inference_mode(), torch_threads(self.workers.n_threads, like.device):
            return self._run(sentences, n_layers=n_layers, state=state)

    def plan(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> Plan[BatchOutputs]:
        return Plan.done(self.run(sentences, n_layers=n_layers, state=state))

    def _run(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> BatchOutputs:
        self.bilm.eval()
        start = state if state is not None else expand_state(self.initial_state, len(sentences))
        with self._rounding():
            word_emb, lstm, final = run_bilm(self.bilm, sentences, n_layers=n_layers, start=start)
        # What was rounded stands in the dtype of weights again.
        like = self.bilm.char_encoder.embedding.weight
        lstm = [layer.to(like.dtype) for layer in lstm]
        if final is not None:
            final = LSTMState(*(part.to(like.dtype) for part in final))
        return BatchOutputs(word_emb.to(like.dtype), lstm, final if state is not None else None)

    @property
    def _on_gpu(self) -> bool:
        return self.bilm.char_encoder.embedding.weight.is_cuda

    @contextmanager
    def _rounding(self) -> Iterator[None]:
        if not self._on_gpu:
            yield
            return
        with (
            tf32(self.precision == "tf32"),
            torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            yield


def run_bilm(bilm: BiLM, sentences: Sequence[Sentence], *, n_layers: int, start: LSTMState | None) -> BatchOutputs:
    """Layers of a batch by the trainable modules, as they are: with gradients and dropout, where these are on.

    start: of each sentence, hidden (2, L, n_sentences, P); None: zeros.
    """
    like = bilm.char_encoder.embedding.weight
    alphabet = bilm.alphabet
    types, numbers = find_word_types(sentences, before=[alphabet.opening], after=[alphabet.closing])
    words = _encode(bilm, types).index_select(0, _tensor(numbers, like))
    lengths = [len(sentence) + N_BOUNDARIES for sentence in sentences]
    layers: list[Tensor] = []
    final: LSTMState | None = None
    if n_layers:
        start = None if start is None else LSTMState(*(part.to(like) for part in start))
        layers, final = bilm(words, lengths, state=start, n_layers=n_layers)
    shown = _tensor(find_token_rows(lengths), like)
    word_emb, *layers = [layer.index_select(0, shown) for layer in (words, *layers)]
    return BatchOutputs(word_emb, layers, final)


def expand_state(state: LSTMState | None, n_sentences: int) -> LSTMState | None:
    """A constant state, hidden (2, L, P), for each of the sentences, hidden (2, L, n_sentences, P)."""
    return (
        None
        if state is None
        else LSTMState(*(part.unsqueeze(2).expand(-1, -1, n_sentences, -1) for part in state))
    )


def _encode(bilm: BiLM, types: list[str]) -> Tensor:
    like = bilm.char_encoder.embedding.weight
    parts = []
    for start in range(0, max(len(types), 1), ENCODER_BATCH):
        part = types[start : start + ENCODER_BATCH]
        ids = bilm.alphabet.ids(part)
        # The convolution compiles a kernel for each number of rows it meets, and keeps it: few numbers occur.
        n_rows = _power_of_two(len(part))
        arrays = [np.resize(array, (n_rows, *array.shape[1:])) for array in ids if array is not None]
        parts.append(bilm.char_encoder(*(_tensor(array, like) for array in arrays))[: len(part)])
    return torch.cat(parts)


def _tensor(array: "np.ndarray", like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like.device)


def _power_of_two(n: int) -> int:
    """The smallest that is not below n."""
    return 1 << max(n - 1, 0).bit_length()
