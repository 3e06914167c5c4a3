"""The reference engine: the trainable modules, without gradients."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState, expand_state
from ..gpu.support import tf32
from ..runtime.isolation import computation
from ..runtime.processors import torch_threads
from ..runtime.workers import Plan, Workers
from .base import CPU_BATCH_TOKENS, N_BOUNDARIES, BatchOutputs, Delivery, InPlace, Sentence
from .cuda.delivery import CudaDelivery
from .sentences import find_token_rows, find_word_types

# Word types that the character encoder reads at a time: their filters' outputs take 50 numbers a filter.
ENCODER_BATCH = 256


class ReferenceEngine:
    """Inference in plain PyTorch, on any device. Each word type is encoded once a batch. See `Engine`.

    bilm (BiLM): The modules.
    precision (str): "tf32" and "bf16" round the operands of matrix products, on a GPU.
    initial_state (LSTMState | None): The initial state of every sentence, hidden (2, L, P) and cell (2, L, C);
        None: zeros.
    n_threads (int | None): Torch's threads on the CPU; see `Settings`.
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
        """Do nothing: no memory is kept between batches."""

    @property
    def module(self) -> nn.Module | None:
        return self.bilm

    def named_tensors(self) -> dict[str, Tensor]:
        return self.bilm.state_dict()

    def run(self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None) -> BatchOutputs:
        return self.plan(sentences, n_layers=n_layers, state=state).finish()

    def plan(
        self,
        sentences: Sequence[Sentence],
        *,
        n_layers: int,
        state: LSTMState | None,
        boundaries: bool = False,
    ) -> Plan[BatchOutputs]:
        like = self.bilm.char_encoder.embedding.weight
        with computation(), torch.inference_mode(), torch_threads(self.workers.n_threads, like.device):
            outputs = self._run(sentences, n_layers=n_layers, state=state, boundaries=boundaries)
        return Plan.from_result(outputs)

    def _run(
        self, sentences: Sequence[Sentence], *, n_layers: int, state: LSTMState | None, boundaries: bool
    ) -> BatchOutputs:
        self.bilm.eval()
        start = state
        if start is None and self.initial_state is not None:
            start = expand_state(self.initial_state, len(sentences))
        with self._rounding():
            word_emb, lstm, final = run_bilm(
                self.bilm, sentences, n_layers=n_layers, start=start, boundaries=boundaries
            )
        # Rounded results are converted back to the dtype of the weights.
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


def run_bilm(
    bilm: BiLM,
    sentences: Sequence[Sentence],
    *,
    n_layers: int,
    start: LSTMState | None,
    boundaries: bool = False,
) -> BatchOutputs:
    """Compute the layers of a batch by the trainable modules, with gradients and dropout if these are on.

    bilm (BiLM): The modules.
    sentences (Sequence[Sentence]): Tokenized sentences; one may be empty.
    n_layers (int): LSTM layers to compute, 0 or more.
    start (LSTMState | None): The initial state of each sentence, hidden (2, L, n_sentences, P); None: zeros.
    boundaries (bool): Whether the layers have rows for boundary tokens, too.
    RETURNS (BatchOutputs): The layers, and the final state.
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
    if boundaries:
        return BatchOutputs(words, layers, final)
    shown = _tensor(find_token_rows(lengths), like)
    word_emb, *layers = [layer.index_select(0, shown) for layer in (words, *layers)]
    return BatchOutputs(word_emb, layers, final)


def _encode(bilm: BiLM, types: list[str]) -> Tensor:
    like = bilm.char_encoder.embedding.weight
    parts = []
    for start in range(0, max(len(types), 1), ENCODER_BATCH):
        part = types[start : start + ENCODER_BATCH]
        ids = bilm.alphabet.ids(part)
        # Few numbers of rows: the convolution compiles a kernel for each number, and keeps it.
        n_rows = _power_of_two(len(part))
        arrays = [np.resize(array, (n_rows, *array.shape[1:])) for array in ids if array is not None]
        parts.append(bilm.char_encoder(*(_tensor(array, like) for array in arrays))[: len(part)])
    return torch.cat(parts)


def _tensor(array: "np.ndarray", like: Tensor) -> Tensor:
    return torch.from_numpy(array).to(like.device)


def _power_of_two(n: int) -> int:
    """Get the smallest power of two that is n or more."""
    return 1 << max(n - 1, 0).bit_length()
