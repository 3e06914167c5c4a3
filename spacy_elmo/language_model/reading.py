"""The top layer over sentences without training, from which likelihoods and substitutes are computed."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor

from ..bilm.lstm import LSTMStack, LSTMState
from ..gpu.transfer import to_device
from ..gradients.encoder import encode
from ..gradients.lstm import infer_layer
from ..runtime.isolation import computation
from ..runtime.memory import Workspace
from ..runtime.parts import join, split_shares
from ..runtime.workers import Workers
from ..util.batching import windows
from .corpus import Corpus
from .model import LanguageModel
from .streams import Batch
from .word_types import EncodedTypes

T = TypeVar("T")

# Steps of a row that run together, and predictions of all rows at least: memory grows with both.
_STEPS, _PREDICTIONS = 32, 256
# Predictions of a group of sentences that start from the same state.
_GROUP = 2048
# Predictions among which sentences of similar length are grouped.
_WINDOW = 16 * _GROUP


def make_workers() -> Workers:
    """Make as many workers as torch may use threads here; each computes with one thread.

    RETURNS (Workers): They run the halves of a batch side by side.
    """
    return Workers(torch.get_num_threads())


def run_halves(
    model: LanguageModel, character_ids: Tensor, inputs: Tensor, state: LSTMState
) -> tuple[Tensor, LSTMState]:
    """Run all layers over the next steps of every row, without dropout, the directions side by side.

    model (LanguageModel): On the CPU.
    character_ids (Tensor): See `LanguageModel.forward`.
    inputs (Tensor): As there.
    state (LSTMState): As there.
    RETURNS (tuple[Tensor, LSTMState]): As there.
    """
    bilm = model.bilm
    shares = split_shares(len(character_ids))
    n_rows = inputs.shape[2]

    def encode_share(share: slice) -> Tensor:
        encoder, workspace = bilm.char_encoder, Workspace()
        return encode(encoder, character_ids[share], dtype=model.dtype, workspace=workspace, step=1)

    def run_direction(k: int) -> tuple[Tensor, LSTMState]:
        rows = F.embedding(inputs[:, k].flatten(), words)
        stack = (bilm.forward_stack, bilm.backward_stack)[k]
        return _run_stack(stack, rows, n_rows, LSTMState(state.hidden[k], state.cell[k]))

    halves = make_workers().map(encode_share, shares)
    words = join(halves, shares)
    hidden, states = zip(*make_workers().map(run_direction, range(2)))
    return torch.stack(hidden), LSTMState(*(torch.stack(parts) for parts in zip(*states)))


def _run_stack(stack: LSTMStack, rows: Tensor, n_rows: int, state: LSTMState) -> tuple[Tensor, LSTMState]:
    """Run the layers of a direction over rows (n_steps * n_rows, P), step after step, from a state of hidden
    (L, n_rows, P) and cell (L, n_rows, C)."""
    finals = []
    for k, layer in enumerate(stack.layers):
        outputs, final = infer_layer(layer, rows, n_rows, LSTMState(state.hidden[k], state.cell[k]))
        rows = rows + outputs if k > 0 and stack.use_skip_connections else outputs
        finals.append(final)
    return rows, LSTMState(*(torch.stack(parts) for parts in zip(*finals)))


class TopLayer(NamedTuple):
    """The outputs of the top layer, in the order in which each direction reads.

    hidden (Tensor): What the softmax reads: (2, n_steps, n_rows, P), forward direction first.
    targets (Tensor): What it predicts, numbers in the vocabulary: (2, n_steps, n_rows), int64.
    """

    hidden: Tensor
    targets: Tensor


def iter_batches(
    corpus: Corpus, *, n_rows: int, n_sentences: int
) -> "Iterator[tuple[list[tuple[int, int]], Batch]]":
    """Iterate over batches whose rows read one sentence after the other, as in bilm-tf's test: a row takes the
    next sentence at the end of the one before, and the text ends with the last step that all rows have.

    corpus (Corpus): The text.
    n_rows (int): Most rows of a batch.
    n_sentences (int): Sentences of the corpus that are read.
    YIELDS (tuple[list[tuple[int, int]], Batch]): The sentences that rows begin within the batch, (row, number),
        and its steps.
    """
    rows = [np.empty((2, 2, 0), dtype=np.int32) for _ in range(min(n_rows, n_sentences))]
    ends = [(0, row) for row in range(len(rows))]
    start = number = 0
    while rows:
        beginnings: list[tuple[int, int]] = []
        most = max(_STEPS, _PREDICTIONS // len(rows))
        while number < n_sentences and ends[0][0] < start + most:
            end, row = ends[0]
            text = _encode_sentence(corpus, number)
            rows[row] = np.concatenate([rows[row], text], axis=2)
            heapq.heapreplace(ends, (end + text.shape[2], row))
            beginnings.append((row, number))
            number += 1
        n_steps = min(most, ends[0][0] - start)
        if not n_steps:
            break
        yield beginnings, _stack_rows([row[:, :, :n_steps] for row in rows])
        rows = [row[:, :, n_steps:] for row in rows]
        start += n_steps


def run_sentences(
    model: LanguageModel, corpus: Corpus, types: EncodedTypes, *, state: LSTMState | None
) -> Iterator[tuple[list[int], TopLayer]]:
    """Run sentences that all start from the same state, in groups of similar length.

    model (LanguageModel): Runs them.
    corpus (Corpus): The text.
    types (EncodedTypes): Its types.
    state (LSTMState | None): Hidden (2, L, P) and cell (2, L, C); None: zeros.
    YIELDS (tuple[list[int], TopLayer]): The numbers of a group's sentences, and a row for each; steps beyond the
        end of a sentence have no meaning.
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
            batch = _stack_rows([_encode_sentence(corpus, number) for number in numbers])
            yield numbers, run_batch(model, batch, types, start)[0]


@computation()
def run_batch(
    model: LanguageModel, batch: Batch, types: EncodedTypes, state: LSTMState
) -> tuple[TopLayer, LSTMState]:
    """Run the steps of a batch, without dropout and in the precision of the weights.

    model (LanguageModel): Runs them; its mode and precision stay as they are.
    batch (Batch): Indices of the types.
    types (EncodedTypes): Of the text.
    state (LSTMState): Hidden (2, L, n_rows, P) and cell (2, L, n_rows, C).
    RETURNS (tuple[TopLayer, LSTMState]): The outputs, and the state after the last step.
    """
    parameter = next(model.parameters())
    was_training, dtype = model.training, model.dtype
    model.eval()
    model.dtype = parameter.dtype
    n_rows = batch.inputs.shape[2]
    steps = max(_STEPS, _PREDICTIONS // n_rows)
    on_cpu = parameter.device.type == "cpu"
    outputs: list[TopLayer] = []
    for start in range(0, len(batch.inputs), steps):
        part = Batch(batch.inputs[start : start + steps], batch.targets[start : start + steps])
        ids, inputs, targets, _ = types.encode(part, slice(None))
        hidden, state = run_halves(model, ids, inputs, state) if on_cpu else model(ids, inputs, state)
        targets = to_device(targets, hidden.device)
        outputs.append(TopLayer(hidden.unflatten(1, (-1, n_rows)), targets.unflatten(1, (-1, n_rows))))
    model.train(was_training)
    model.dtype = dtype
    return TopLayer(*(torch.cat(parts, dim=1) for parts in zip(*outputs))), state


def restore_order(numbered: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Iterate over numbered items in the order of their numbers.

    numbered (Iterable[tuple[int, T]]): Numbers 0, 1, ... in any order, and items.
    YIELDS (T): The items; one that comes early waits for those before it.
    """
    waiting: dict[int, T] = {}
    turn = 0
    for number, item in numbered:
        waiting[number] = item
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


def _encode_sentence(corpus: Corpus, number: int) -> NDArray[np.int32]:
    """Make inputs and targets of a sentence in both directions, (2, 2, n + 1)."""
    n = len(corpus.types)
    text = np.concatenate([[n], corpus.sentence(number), [n + 1]]).astype(np.int32)
    reverse = text[::-1]
    return np.array([[text[:-1], reverse[:-1]], [text[1:], reverse[1:]]])


def _stack_rows(rows: Sequence[NDArray[np.int32]]) -> Batch:
    """Make a batch of rows; shorter ones are padded with the first token of the first row."""
    steps = np.full((2, max(row.shape[2] for row in rows), 2, len(rows)), rows[0][0, 0, 0], dtype=np.int32)
    for k, row in enumerate(rows):
        steps[:, : row.shape[2], :, k] = row.transpose(0, 2, 1)
    return Batch(*steps)
