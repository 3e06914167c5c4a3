"""Layers on their way from the GPU: copied while it computes the next ones, and unpacked by other threads."""

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

# Bytes that are copied together into page-locked memory, and how many such blocks there are at most.
BLOCK_BYTES = 32 << 20
MOST_BLOCKS = 16
# Sentences share memory of up to this size, for all layers together: to allocate each its own takes longer than to
# copy it, and from 4 MiB on numpy asks for large pages. A sentence that is kept keeps no more than that.
SHARED_BYTES = 8 << 20
# Less than this is there before a thread would have taken it up.
FEW_BYTES = 1 << 20
THREADS = min(16, os.cpu_count() or 1)


class _Piece(NamedTuple):
    """Sentences that share memory: rows `first` to `last` of the batch. ends: 0, then of each, from `first` on."""

    first: int
    last: int
    ends: list[int]


class _Part(NamedTuple):
    """Rows of a piece, `first` to `last` of the batch, that are copied together."""

    piece: int
    first: int
    last: int


class CudaDelivery:
    """See `Delivery`. The layers must not be written to until they have arrived."""

    # One batch is computed while another one is brought over and a third unpacked.
    ahead = 2

    def __init__(self, device: torch.device):
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._blocks = BoundedSemaphore(MOST_BLOCKS)
        # Each copies by itself: torch would give each of them threads of its own. The number is a thread's own.
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
                # Whoever asks may compute on another stream.
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
            # Its memory is not given to others before it has been read.
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
        # Page-locked memory is taken up again by torch once it was freed, and is limited by the semaphore.
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
        # Python is waited for twice only, however many arrays there are: who computes beside this may hold on to
        # it for milliseconds each time.
        try:
            there.synchronize()
            torch._foreach_copy_(targets, sources)
        finally:
            self._blocks.release()


def _pieces(lengths: Sequence[int], most_rows: int) -> list[_Piece]:
    """Consecutive sentences of so many rows together; a longer one is alone."""
    ends = np.cumsum(lengths)
    pieces, first, sentence = [], 0, 0
    while sentence < len(ends):
        beyond = max(sentence + 1, int(np.searchsorted(ends, first + most_rows, side="right")))
        last = int(ends[beyond - 1])
        pieces.append(_Piece(first, last, [0, *(ends[sentence:beyond] - first).tolist()]))
        first, sentence = last, beyond
    return pieces


def _blocks(pieces: Sequence[_Piece], most_rows: int) -> list[list[_Part]]:
    """All rows in order, so many together."""
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
    """Layers of little size, in one copy."""
    if not layers:
        return {}
    together = torch.cat([layer.flatten() for layer in layers.values()]).cpu().numpy()
    arrays, start = {}, 0
    for name, layer in layers.items():
        arrays[name] = together[start : start + layer.numel()].reshape(layer.shape)
        start += layer.numel()
    return arrays


def _allocate(like: Mapping[str, Tensor], n_rows: int) -> "_Arrays":
    """Arrays of so many rows for every layer, side by side in the same memory."""
    dtype = torch.empty(0, dtype=next(iter(like.values())).dtype).numpy().dtype
    widths = {name: layer.size(1) for name, layer in like.items()}
    memory = np.empty(n_rows * sum(widths.values()), dtype=dtype)
    arrays, start = {}, 0
    for name, width in widths.items():
        arrays[name] = memory[start : start + n_rows * width].reshape(n_rows, width)
        start += n_rows * width
    return arrays


def _cut(arrays: "_Arrays", ends: Sequence[int], n_layers: int) -> list[LayerOutputs]:
    """The outputs of sentences that share arrays."""
    return [LayerOutputs(arrays, n_layers=n_layers, rows=rows) for rows in pairwise(ends)]


_Arrays = dict[str, NDArray[Any]]
