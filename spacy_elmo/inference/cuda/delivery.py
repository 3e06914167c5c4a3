"""The delivery of layers from a GPU: copied while it computes the next ones, and unpacked by other threads."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from threading import BoundedSemaphore
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...bilm.layers import LayerOutputs

# Bytes of a block of page-locked memory, and the most such blocks.
BLOCK_BYTES = 32 << 20
MOST_BLOCKS = 16
# The size of memory that sentences share, for all layers together: to allocate memory for each sentence takes
# longer than to copy it, and from 4 MiB on numpy uses large pages. A sentence that is kept keeps no more than
# that alive.
SHARED_BYTES = 8 << 20
# Less than this arrives before a thread could start.
FEW_BYTES = 1 << 20
THREADS = min(16, os.cpu_count() or 1)

_Arrays = dict[str, NDArray[Any]]


class _Piece(NamedTuple):
    """Sentences that share memory.

    first (int): Their first row in the batch.
    last (int): The end of their rows in the batch.
    ends (list[int]): 0, and the end of each sentence, counted from `first`.
    """

    first: int
    last: int
    ends: list[int]


class _Part(NamedTuple):
    """Rows of a piece that are copied together.

    piece (int): The number of the piece.
    first (int): The first row in the batch.
    last (int): The end of the rows in the batch.
    """

    piece: int
    first: int
    last: int


class CudaDelivery:
    """The delivery of a GPU; see `Delivery`. Layers must not be changed until they have arrived.

    device (torch.device): The GPU.
    """

    # One batch is computed while another one is copied and a third one unpacked.
    ahead = 2

    def __init__(self, device: torch.device):
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._blocks = BoundedSemaphore(MOST_BLOCKS)
        # One thread of torch for each: the setting is per thread, and torch would start more for each of them.
        self._threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="spacy_elmo", initializer=torch.set_num_threads, initargs=(1,)
        )

    def send(
        self, layers: Mapping[str, Tensor], lengths: Sequence[int], *, n_layers: int
    ) -> Callable[[], list[LayerOutputs]]:
        row_bytes = max(1, sum(layer.size(1) * layer.element_size() for layer in layers.values()))
        computed = torch.cuda.Event()
        computed.record(torch.cuda.current_stream(self._device))
        if not layers or sum(lengths) * row_bytes <= FEW_BYTES:
            ends = [0, *np.cumsum(lengths).tolist()]

            def arrive_together() -> list[LayerOutputs]:
                # The caller may compute on another stream.
                computed.synchronize()
                return _cut(_few(layers), ends, n_layers)

            return arrive_together
        self._stream.wait_event(computed)
        whole = {name: layer.contiguous() for name, layer in layers.items()}
        pieces = _pieces(lengths, max(1, SHARED_BYTES // row_bytes))
        shared = [_allocate(whole, piece.last - piece.first) for piece in pieces]
        sent = [
            self._send(whole, block, pieces, shared) for block in _blocks(pieces, max(1, BLOCK_BYTES // row_bytes))
        ]
        for layer in whole.values():
            # Its memory must not be reused before it has been read.
            layer.record_stream(self._stream)

        def arrive() -> list[LayerOutputs]:
            for future in sent:
                future.result()
            found: list[LayerOutputs] = []
            for piece, arrays in zip(pieces, shared):
                found += _cut(arrays, piece.ends, n_layers)
            return found

        return arrive

    def _send(
        self,
        layers: Mapping[str, Tensor],
        block: Sequence[_Part],
        pieces: Sequence[_Piece],
        shared: "Sequence[_Arrays]",
    ) -> "Future[None]":
        first, last = block[0].first, block[-1].last
        sizes = [part.last - part.first for part in block]
        targets: list[Tensor] = []
        sources: list[Tensor] = []
        # Torch reuses freed page-locked memory; the semaphore limits its size.
        self._blocks.acquire()
        try:
            with torch.cuda.stream(self._stream):
                for name, layer in layers.items():
                    locked = torch.empty(last - first, layer.size(1), dtype=layer.dtype, pin_memory=True)
                    locked.copy_(layer[first:last], non_blocking=True)
                    sources += locked.split(sizes)
                    for piece, start, end in block:
                        offset = pieces[piece].first
                        targets.append(torch.from_numpy(shared[piece][name][start - offset : end - offset]))
                there = torch.cuda.Event()
                there.record()
            return self._threads.submit(self._unpack, there, targets, sources)
        except BaseException:
            self._blocks.release()
            raise

    def _unpack(self, there: torch.cuda.Event, targets: list[Tensor], sources: list[Tensor]) -> None:
        # Python's lock is needed only twice, for any number of arrays: the thread that computes may hold it for
        # milliseconds each time.
        try:
            there.synchronize()
            torch._foreach_copy_(targets, sources)
        finally:
            self._blocks.release()


def _pieces(lengths: Sequence[int], most_rows: int) -> list[_Piece]:
    """Group consecutive sentences, with at most so many rows together; a longer sentence is alone."""
    ends = np.cumsum(lengths)
    pieces, first, sentence = [], 0, 0
    while sentence < len(ends):
        beyond = max(sentence + 1, int(np.searchsorted(ends, first + most_rows, side="right")))
        last = int(ends[beyond - 1])
        pieces.append(_Piece(first, last, [0, *(ends[sentence:beyond] - first).tolist()]))
        first, sentence = last, beyond
    return pieces


def _blocks(pieces: Sequence[_Piece], most_rows: int) -> list[list[_Part]]:
    """Split all rows, in order, into blocks of so many rows."""
    blocks: list[list[_Part]] = [[]]
    room = most_rows
    for number, piece in enumerate(pieces):
        first = piece.first
        while first < piece.last:
            last = min(piece.last, first + room)
            blocks[-1].append(_Part(number, first, last))
            room -= last - first
            first = last
            if not room:
                blocks.append([])
                room = most_rows
    return [block for block in blocks if block]


def _few(layers: Mapping[str, Tensor]) -> "_Arrays":
    """Copy small layers to the CPU, in one copy."""
    if not layers:
        return {}
    together = torch.cat([layer.flatten() for layer in layers.values()]).cpu().numpy()
    arrays, start = {}, 0
    for name, layer in layers.items():
        arrays[name] = together[start : start + layer.numel()].reshape(layer.shape)
        start += layer.numel()
    return arrays


def _allocate(like: Mapping[str, Tensor], n_rows: int) -> "_Arrays":
    """Allocate arrays of so many rows for every layer, in the same memory."""
    dtype = torch.empty(0, dtype=next(iter(like.values())).dtype).numpy().dtype
    widths = {name: layer.size(1) for name, layer in like.items()}
    memory = np.empty(n_rows * sum(widths.values()), dtype=dtype)
    arrays, start = {}, 0
    for name, width in widths.items():
        arrays[name] = memory[start : start + n_rows * width].reshape(n_rows, width)
        start += n_rows * width
    return arrays


def _cut(arrays: "_Arrays", ends: Sequence[int], n_layers: int) -> list[LayerOutputs]:
    """Make the outputs of sentences that share arrays."""
    return [LayerOutputs(arrays, n_layers=n_layers, rows=rows) for rows in pairwise(ends)]
