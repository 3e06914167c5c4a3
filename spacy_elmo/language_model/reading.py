"""The top layer over sentences without training, from which likelihoods and substitutes are computed."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from ..bilm.lstm import LSTMStack, LSTMState, ProjectedLSTM
from ..gpu.transfer import to_device
from ..gradients.encoder import encode
from ..gradients.lstm import read_layer
from ..runtime.isolation import computation
from ..runtime.memory import Workspace
from ..runtime.parts import join, split_shares
from ..runtime.workers import Workers
from ..util.batching import windows
from .corpus import Corpus
from .model import LanguageModel
from .streams import Batch
from .vocabulary import Types


def workers() -> Workers:
    """As many as torch has threads here, of which each works by itself."""
    return Workers(torch.get_num_threads())


def read_apart(
    model: LanguageModel, character_ids: Tensor, inputs: Tensor, state: LSTMState
) -> tuple[Tensor, LSTMState]:
    """Run the top layer over the next steps of every row, without dropout. Arguments and results: as
    `LanguageModel.forward`."""
    bilm = model.bilm
    shares = split_shares(len(character_ids))
    n_rows = inputs.shape[2]

    def encoded(share: slice) -> Tensor:
        encoder, workspace = bilm.char_encoder, Workspace()
        return encode(encoder, character_ids[share], dtype=model.dtype, workspace=workspace, step=1)

    def direction(k: int) -> tuple[Tensor, LSTMState]:
        rows = F.embedding(inputs[:, k].flatten(), words)
        stack = (bilm.forward_stack, bilm.backward_stack)[k]
        return _run_stack(stack, rows, n_rows, LSTMState(state.hidden[k], state.cell[k]))

    halves = workers().map(encoded, shares)
    words = join(halves, shares)
    both = workers().map(direction, range(2))
    hidden, states = zip(*both)
    return torch.stack(hidden), LSTMState(*(torch.stack(parts) for parts in zip(*states)))


def _run_stack(stack: LSTMStack, rows: Tensor, n_rows: int, state: LSTMState) -> tuple[Tensor, LSTMState]:
    """rows: (n_steps * n_rows, P), step after step. state: hidden (L, n_rows, P), cell (L, n_rows, C).
    RETURNS: the top layer's outputs, as the rows, and the state after the last step."""
    finals = []
    for k, layer in enumerate(cast(Iterable[ProjectedLSTM], stack.layers)):
        outputs, final = read_layer(layer, rows, n_rows, LSTMState(state.hidden[k], state.cell[k]))
        rows = rows + outputs if k > 0 and stack.use_skip_connections else outputs
        finals.append(final)
    return rows, LSTMState(*(torch.stack(parts) for parts in zip(*finals)))


T = TypeVar("T")

# Steps of a row that run together, and how many of all rows at least: memory grows with them.
_STEPS, _PREDICTIONS = 32, 256
# Predictions of a group of sentences that start afresh.
_GROUP = 2048
# Predictions among which sentences of like length are looked for.
_WINDOW = 16 * _GROUP


class Read(NamedTuple):
    """hidden: (2, n_steps, n_rows, P), forward direction first, in the order in which each direction reads.
    targets: (2, n_steps, n_rows), int64, what comes next, places in the vocabulary."""

    hidden: Tensor
    targets: Tensor


def read_on(corpus: Corpus, *, n_rows: int, n_sentences: int) -> "Iterator[tuple[list[tuple[int, int]], Batch]]":
    """Rows that read sentence after sentence, as in bilm-tf's test: a row takes the next one when its own is used
    up, and the first step that cannot be filled in all rows ends the text.

    RETURNS: for each batch, the sentences that rows take up, (row, number), and its steps.
    """
    rows = [np.empty((2, 2, 0), dtype=np.int32) for _ in range(min(n_rows, n_sentences))]
    ends = [(0, row) for row in range(len(rows))]
    start = number = 0
    while rows:
        begun: list[tuple[int, int]] = []
        most = max(_STEPS, _PREDICTIONS // len(rows))
        while number < n_sentences and ends[0][0] < start + most:
            end, row = ends[0]
            text = _reading(corpus, number)
            rows[row] = np.concatenate([rows[row], text], axis=2)
            heapq.heapreplace(ends, (end + text.shape[2], row))
            begun.append((row, number))
            number += 1
        n_steps = min(most, ends[0][0] - start)
        if not n_steps:
            break
        yield begun, _batch([row[:, :, :n_steps] for row in rows])
        rows = [row[:, :, n_steps:] for row in rows]
        start += n_steps


def read_afresh(
    model: LanguageModel, corpus: Corpus, types: Types, *, state: LSTMState | None
) -> Iterator[tuple[list[int], Read]]:
    """Sentences that all start from the same state, in groups of like length.

    state: hidden (2, L, P) and cell (2, L, C); None: zeros.
    RETURNS: for each group, the numbers of its sentences, a row each, and what was read; steps beyond a sentence's
        end mean nothing.
    """

    def size(number: int) -> int:
        return len(corpus.sentence(number)) + 1

    for window in windows(range(len(corpus)), size=size, budget=_WINDOW):
        window.sort(key=size, reverse=True)
        while window:
            n = max(1, _GROUP // size(window[0]))
            numbers, window = window[:n], window[n:]
            start = model.bilm.zero_state(len(numbers))
            if state is not None:
                start = LSTMState(
                    *(part.unsqueeze(2).expand_as(zero).to(zero) for part, zero in zip(state, start))
                )
            read, _ = top_layer(model, _batch([_reading(corpus, number) for number in numbers]), types, start)
            yield numbers, read


@computation()
def top_layer(model: LanguageModel, batch: Batch, types: Types, state: LSTMState) -> tuple[Read, LSTMState]:
    """Run the steps of a batch, without dropout and in the precision of the weights.

    state: hidden (2, L, n_rows, P) and cell (2, L, n_rows, C). RETURNS: also the state after the last step.
    """
    parameter = next(model.parameters())
    was_training, dtype = model.training, model.dtype
    model.eval()
    model.dtype = parameter.dtype
    n_rows = batch.inputs.shape[2]
    steps = max(_STEPS, _PREDICTIONS // n_rows)
    on_cpu = parameter.device.type == "cpu"
    found: list[Read] = []
    for start in range(0, len(batch.inputs), steps):
        part = Batch(batch.inputs[start : start + steps], batch.targets[start : start + steps])
        ids, inputs, targets, _ = types.of(part, slice(None))
        hidden, state = read_apart(model, ids, inputs, state) if on_cpu else model(ids, inputs, state)
        targets = to_device(targets, hidden.device)
        found.append(Read(hidden.unflatten(1, (-1, n_rows)), targets.unflatten(1, (-1, n_rows))))
    model.train(was_training)
    model.dtype = dtype
    return Read(*(torch.cat(parts, dim=1) for parts in zip(*found))), state


def in_order(found: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Things that come with numbers, in the order of the numbers 0, 1, ...; those that come early wait."""
    waiting: dict[int, T] = {}
    turn = 0
    for number, thing in found:
        waiting[number] = thing
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


def _reading(corpus: Corpus, number: int) -> NDArray[np.int32]:
    """Inputs and targets of a sentence in both directions, (2, 2, n + 1)."""
    n = len(corpus.types)
    text = np.concatenate([[n], corpus.sentence(number), [n + 1]]).astype(np.int32)
    turned = text[::-1]
    return np.array([[text[:-1], turned[:-1]], [text[1:], turned[1:]]])


def _batch(rows: Sequence[NDArray[np.int32]]) -> Batch:
    """Rows side by side; shorter ones are filled up with what the first one begins with."""
    steps = np.full((2, max(row.shape[2] for row in rows), 2, len(rows)), rows[0][0, 0, 0], dtype=np.int32)
    for k, row in enumerate(rows):
        steps[:, : row.shape[2], :, k] = row.transpose(0, 2, 1)
    return Batch(*steps)
