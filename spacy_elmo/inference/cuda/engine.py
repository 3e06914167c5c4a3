"""The engine of GPUs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...bilm.alphabet import make_alphabet
from ...bilm.build import build_char_encoder, pop_prefix
from ...bilm.lstm import LSTMState
from ...bilm.options import Options
from ...gpu.support import tf32
from ...runtime.forks import ForkLock
from ...runtime.threads import one_thread
from ...runtime.workers import Plan, Workers
from ..base import BatchOutputs, InPlace, Sentence
from ..rows import STACKS, LayersAndState, RowsEngine
from ..schedule import Schedule
from ..sentences import EncodedSentences
from ..word_table import WordTable
from . import tiles
from .delivery import CudaDelivery
from .encoder import CudaEncoder
from .stack import CudaStack
from .weights import LayerWeights

# The most rows of sentences that run in parallel: more hardly make matrix products faster (H100).
MOST_ROWS = 2048
# The most word types that are kept; 65,536 rows of 512 float32 numbers take 128 MiB.
CAPACITY = 65536
# The share of the free memory for a batch, and the most and the least tokens of a batch: more are not faster.
MEMORY_SHARE = 0.3
MOST_TOKENS = 1 << 17
LEAST_TOKENS = 2048
# The dtype of the LSTMs' matrices, the kernels' tiles, and how they multiply float32 numbers. "fp32" uses three
# products of TF32 numbers, of the rounded numbers and of the remainders: its results were nearer to float64's than
# those of the library's float32 products, and faster (H200).
PRODUCTS = {
    "fp32": (torch.float32, tiles.FP32, "tf32x3"),
    "tf32": (torch.float32, tiles.TF32, "tf32"),
    "bf16": (torch.bfloat16, tiles.BF16, "ieee"),
}


class CudaEngine(RowsEngine):
    """Inference on a GPU by the kernels of this package. See `Engine` for the contract.

    options (Options): The options of a biLM.
    tensors (dict[str, Tensor]): Its state_dict, float32, on the device; the tensors are removed.
    precision (str): "fp32", "tf32" or "bf16", for the LSTMs' matrix products. The character encoder, which
        encodes each word type once, gates and cells are always float32.
    device (torch.device): The device.
    initial_state (LSTMState | None): See `RowsEngine`.
    """

    def __init__(
        self,
        *,
        options: Options,
        tensors: dict[str, Tensor],
        precision: str,
        device: torch.device,
        initial_state: LSTMState | None = None,
    ):
        lstm, on_gpu = options.lstm, device.type == "cuda"
        self._on_gpu = on_gpu
        self._last_stream: torch.cuda.Stream | None = None
        self._lock = ForkLock()
        self._rounds = precision == "tf32"
        dtype, own_tiles, products = PRODUCTS[precision]
        if on_gpu:
            properties = torch.cuda.get_device_properties(device)
            shared = getattr(properties, "shared_memory_per_block_optin", 99 << 10)
            own_tiles = own_tiles.within(shared, item_bytes=dtype.itemsize)
        self._encoder = CudaEncoder(
            build_char_encoder(options, pop_prefix(tensors, "char_encoder.")), options=options, device=device
        )
        forward, backward = (pop_prefix(tensors, f"{name}.layers.") for name in STACKS)
        with torch.inference_mode():
            layers = [
                LayerWeights(
                    (pop_prefix(forward, f"{k}."), pop_prefix(backward, f"{k}.")),
                    options=lstm,
                    dtype=dtype,
                )
                for k in range(lstm.n_layers)
            ]
        self._stack = CudaStack(
            layers, device=device, tiles=own_tiles, products=products, fast=precision == "bf16" and on_gpu
        )
        self.delivery = CudaDelivery(device) if on_gpu else InPlace()
        super().__init__(
            options=options,
            workers=Workers(),
            table=WordTable(
                self._encoder.encode,
                width=lstm.projection_dim,
                capacity=CAPACITY,
                device=device,
                shorten=make_alphabet(options).shorten,
            ),
            device=device,
            most_rows=MOST_ROWS,
            initial_state=initial_state,
        )

    def plan(
        self,
        sentences: Sequence[Sentence],
        *,
        n_layers: int,
        state: LSTMState | None,
        boundaries: bool = False,
    ) -> Plan[BatchOutputs]:
        # One batch at a time, which uses the memory alone. Words are encoded in float32 with any precision.
        with self._lock, one_thread(), tf32(False), self._in_order():
            return super().plan(sentences, n_layers=n_layers, state=state, boundaries=boundaries)

    @torch.inference_mode()
    def named_tensors(self) -> dict[str, Tensor]:
        named = {f"char_encoder.{name}": tensor for name, tensor in self._encoder.module.state_dict().items()}
        for direction, stack in enumerate(STACKS):
            for k, layer in enumerate(self._stack.layers):
                own = layer.named_tensors(direction)
                named.update((f"{stack}.layers.{k}.{name}", tensor) for name, tensor in own.items())
        return named

    def batch_tokens(self) -> int:
        """Choose the tokens of a batch by the free memory, up to the number from which more are not faster.

        RETURNS (int): The number of tokens.
        """
        if self._device.type != "cuda":
            return LEAST_TOKENS
        width = self.options.lstm.projection_dim
        # Float32 numbers of a token: word_emb; and three times each layer and the mix: fixed memory, copy,
        # delivery.
        numbers = width + (self.options.lstm.n_layers + 1) * 3 * 2 * width
        free, _ = torch.cuda.mem_get_info(self._device)
        tokens = int(MEMORY_SHARE * free) // (4 * numbers)
        return max(LEAST_TOKENS, min(MOST_TOKENS, tokens))

    def release(self) -> None:
        with self._lock:
            self._stack.release()
        torch.cuda.empty_cache()

    @contextmanager
    def _in_order(self) -> Iterator[None]:
        """Compute on the device after the previous batch, even if that was on another stream."""
        if not self._on_gpu:
            yield
            return
        with torch.cuda.device(self._device):
            stream = torch.cuda.current_stream()
            if self._last_stream is not None and self._last_stream != stream:
                stream.wait_stream(self._last_stream)
            try:
                yield
            finally:
                self._last_stream = stream

    def _look_up(
        self, sentences: Sequence[Sentence], before: Sequence[str], after: Sequence[str]
    ) -> "tuple[Tensor, NDArray[np.int64]]":
        if before or after:
            sentences = [[*before, *sentence, *after] for sentence in sentences]
        # Kernels read the table directly: distinct types are needed only for new words.
        if isinstance(sentences, EncodedSentences):
            found = self._table.locate_encoded(sentences)
        else:
            found = self._table.locate(list(chain.from_iterable(sentences)))
        return super()._look_up(sentences, (), ()) if found is None else found

    def _begin(
        self,
        types: Tensor,
        numbers: Tensor,
        schedule: Schedule,
        start: LSTMState,
        n_layers: int,
        *,
        keep_state: bool,
    ) -> Plan[LayersAndState]:
        with tf32(self._rounds):
            layers = self._stack.run(types, numbers, schedule, start, n_layers=n_layers, keep_state=keep_state)
        return Plan.from_result(layers)
