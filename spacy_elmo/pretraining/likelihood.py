"""Log-likelihoods of tokens and perplexities of texts, with the full softmax."""

import heapq
import math
from dataclasses import dataclass
from typing import Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..bilm.lstm import LSTMState
from .corpus import Corpus
from .language_model import LanguageModel
from .streams import Batch
from .trainer import Types

# Steps that run between two looks at the clock; memory grows with them.
_STEPS = 32
# Predictions of a batch of sentences that start afresh.
_PREDICTIONS = 8192


@dataclass(frozen=True)
class SentenceLikelihood:
    """Natural logarithms of the probabilities of one sentence of n tokens.

    forward: (n + 1,), of the tokens and </S>, in text order. backward: (n + 1,), of <S> and the tokens, in text
    order. NaN: not predicted.
    """

    forward: NDArray[np.float32]
    backward: NDArray[np.float32]


@dataclass(frozen=True)
class Perplexity:
    """forward, backward: exp of the mean negative log-likelihood of a prediction. average: their geometric mean,
    as bilm-tf reports it. n_predictions: of each direction, a sentence mark with each sentence."""

    forward: float
    backward: float
    average: float
    n_predictions: int

    @classmethod
    def of(cls, sentences: Sequence[SentenceLikelihood]) -> "Perplexity":
        forward = np.concatenate([sentence.forward for sentence in sentences]).astype(np.float64)
        backward = np.concatenate([sentence.backward for sentence in sentences]).astype(np.float64)
        losses = -float(np.nanmean(forward)), -float(np.nanmean(backward))
        return cls(
            math.exp(losses[0]), math.exp(losses[1]), math.exp(sum(losses) / 2), int((~np.isnan(forward)).sum())
        )


def carried_likelihood(
    model: LanguageModel, corpus: Corpus, types: Types, *, n_rows: int = 1, n_sentences: Optional[int] = None
) -> List[SentenceLikelihood]:
    """Each row reads sentence after sentence and carries its state on, as in bilm-tf's test: a row takes the next
    sentence when its own is used up, and the first step that cannot be filled in all rows ends the text, so that
    some predictions at the end are not made.

    n_sentences: read no more than these.
    """
    total = len(corpus) if n_sentences is None else min(n_sentences, len(corpus))
    if not total:
        return []
    n_rows = min(n_rows, total)
    queues: List[List[int]] = [[] for _ in range(n_rows)]
    ends = [(0, row) for row in range(n_rows)]
    for number in range(total):
        end, row = heapq.heappop(ends)
        queues[row].append(number)
        heapq.heappush(ends, (end + len(corpus.sentence(number)) + 1, row))
    n_steps = min(end for end, _ in ends)
    texts = [_joined([_reading(corpus, number) for number in queue]) for queue in queues]
    batch = Batch(*(np.stack([text[k][:, :n_steps] for text in texts], axis=1).transpose(2, 0, 1) for k in (0, 1)))
    found = _run(model, batch, types, model.bilm.zero_state(n_rows)).cpu().numpy()
    results: List[SentenceLikelihood] = [_nothing(0)] * total
    for row, queue in enumerate(queues):
        start = 0
        for number in queue:
            size = len(corpus.sentence(number)) + 1
            values = found[start : start + size, :, row]
            padded = np.full((size, 2), np.nan, dtype=np.float32)
            padded[: len(values)] = values
            results[number] = SentenceLikelihood(padded[:, 0], padded[::-1, 1])
            start += size
    return results


def fresh_likelihood(
    model: LanguageModel,
    corpus: Corpus,
    types: Types,
    *,
    state: Optional[LSTMState] = None,
    n_sentences: Optional[int] = None,
) -> List[SentenceLikelihood]:
    """Every sentence starts afresh.

    state: from what, hidden (2, L, P) and cell (2, L, C); None: from zeros.
    """
    total = len(corpus) if n_sentences is None else min(n_sentences, len(corpus))
    lengths = np.diff(corpus.ends[:total], prepend=0) + 1
    results: List[SentenceLikelihood] = [_nothing(0)] * total
    for numbers in _groups(lengths):
        longest = int(lengths[numbers].max())
        inputs = np.full((2, len(numbers), longest), len(corpus.types), dtype=np.int32)
        targets = inputs.copy()
        for row, number in enumerate(numbers):
            reading, wanted = _reading(corpus, int(number))
            inputs[:, row, : reading.shape[1]], targets[:, row, : wanted.shape[1]] = reading, wanted
        batch = Batch(inputs.transpose(2, 0, 1), targets.transpose(2, 0, 1))
        start = model.bilm.zero_state(len(numbers))
        if state is not None:
            start = LSTMState(*(part.unsqueeze(2).expand_as(like) for part, like in zip(state, start)))
        found = _run(model, batch, types, start).cpu().numpy()
        for row, number in enumerate(numbers):
            values = found[: lengths[number], :, row]
            results[int(number)] = SentenceLikelihood(values[:, 0].copy(), values[::-1, 1].copy())
    return results


def _reading(corpus: Corpus, number: int) -> Tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Inputs and targets of a sentence, each (2, n + 1), forward first."""
    n = len(corpus.types)
    text = np.concatenate([[n], corpus.sentence(number), [n + 1]]).astype(np.int32)
    turned = text[::-1]
    return np.stack([text[:-1], turned[:-1]]), np.stack([text[1:], turned[1:]])


def _joined(
    readings: Sequence[Tuple[NDArray[np.int32], NDArray[np.int32]]],
) -> Tuple[NDArray[np.int32], NDArray[np.int32]]:
    inputs, targets = zip(*readings)
    return np.concatenate(inputs, axis=1), np.concatenate(targets, axis=1)


def _groups(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Sentences of like length, together about _PREDICTIONS predictions."""
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        n = max(1, _PREDICTIONS // int(lengths[order[0]]))
        yield order[:n]
        order = order[n:]


def _nothing(n: int) -> SentenceLikelihood:
    return SentenceLikelihood(np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32))


@torch.no_grad()
def _run(model: LanguageModel, batch: Batch, types: Types, state: LSTMState) -> Tensor:
    """Log-likelihood of each target, (n_steps, 2, n_rows)."""
    device = next(model.parameters()).device
    was_training, dtype = model.training, model.dtype
    model.eval()
    model.dtype = next(model.parameters()).dtype
    found: List[Tensor] = []
    for start in range(0, len(batch.inputs), _STEPS):
        part = Batch(batch.inputs[start : start + _STEPS], batch.targets[start : start + _STEPS])
        ids, inputs, targets, _ = types.of(part, slice(None), device)
        hidden, state = model(ids, inputs, state)
        likelihood = model.softmax.log_likelihood(hidden, targets)  # type: ignore[operator]
        found.append(likelihood.view(2, *part.inputs.shape[::2]).transpose(0, 1))
    model.train(was_training)
    model.dtype = dtype
    return torch.cat(found)
