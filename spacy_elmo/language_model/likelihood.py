"""Log-likelihoods of tokens and perplexities of texts, with the full softmax."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..bilm.lstm import LSTMState
from ..runtime.isolation import computation
from .corpus import Corpus
from .model import LanguageModel
from .reading import TopLayer, iter_batches, make_workers, restore_order, run_batch, run_sentences
from .word_types import EncodedTypes


@dataclass(frozen=True)
class SentenceLikelihood:
    """Natural logarithms of the probabilities of one sentence of n tokens, in text order. NaN: not predicted.

    forward (NDArray): Of the tokens and </S>: (n + 1,).
    backward (NDArray): Of <S> and the tokens: (n + 1,).
    """

    forward: NDArray[np.float32]
    backward: NDArray[np.float32]


@dataclass(frozen=True)
class Perplexity:
    """Perplexities of a text; NaN if there are no predictions.

    forward (float): exp of the mean negative log-likelihood of a prediction of the forward direction.
    backward (float): The same of the backward direction.
    average (float): Their geometric mean, as bilm-tf reports it.
    n_predictions (int): Predictions of each direction, one boundary token for each sentence among them.
    """

    forward: float
    backward: float
    average: float
    n_predictions: int

    @classmethod
    def from_likelihoods(cls, sentences: Iterable[SentenceLikelihood]) -> "Perplexity":
        """Compute the perplexities of a text.

        sentences (Iterable[SentenceLikelihood]): Of the text.
        RETURNS (Perplexity): Of all predictions together.
        """
        sums, n = np.zeros(2), 0
        for sentence in sentences:
            rows = np.stack([sentence.forward, sentence.backward[::-1]]).astype(np.float64)
            predicted = ~np.isnan(rows).any(axis=0)
            sums += rows[:, predicted].sum(axis=1)
            n += int(predicted.sum())
        if not n:
            return cls(math.nan, math.nan, math.nan, 0)
        forward, backward = (-sums / n).tolist()
        return cls(_exp(forward), _exp(backward), _exp((forward + backward) / 2), n)


def iter_carried(
    model: LanguageModel, corpus: Corpus, types: EncodedTypes, *, n_rows: int = 1, n_sentences: int | None = None
) -> Iterator[SentenceLikelihood]:
    """Compute likelihoods with carried state, as in bilm-tf's test: each row reads one sentence after the other,
    and keeps its state. The text ends with the last step that all rows have, so that some predictions at the end
    are not made.

    model (LanguageModel): Predicts the tokens.
    corpus (Corpus): The text.
    types (EncodedTypes): Its types.
    n_rows (int): Most rows that are read side by side.
    n_sentences (int | None): Most sentences that are read; None: all.
    YIELDS (SentenceLikelihood): Of each sentence, in order.
    """
    total = len(corpus) if n_sentences is None else min(n_sentences, len(corpus))
    return restore_order(_iter_carried(model, corpus, types, min(n_rows, total), total))


def iter_fresh(
    model: LanguageModel,
    corpus: Corpus,
    types: EncodedTypes,
    *,
    state: LSTMState | None = None,
) -> Iterator[SentenceLikelihood]:
    """Compute likelihoods of sentences that all start from the same state.

    model (LanguageModel): Predicts the tokens.
    corpus (Corpus): The text.
    types (EncodedTypes): Its types.
    state (LSTMState | None): Hidden (2, L, P) and cell (2, L, C); None: zeros.
    YIELDS (SentenceLikelihood): Of each sentence, in order.
    """
    return restore_order(_iter_fresh(model, corpus, types, state))


def _iter_carried(
    model: LanguageModel, corpus: Corpus, types: EncodedTypes, n_rows: int, total: int
) -> Iterator[tuple[int, SentenceLikelihood]]:
    # Of each row: the sentences that are not complete, and the likelihoods of their tokens so far.
    queues: list[deque[int]] = [deque() for _ in range(n_rows)]
    found = [np.empty((0, 2), dtype=np.float32) for _ in range(n_rows)]
    n_started = 0
    state = model.bilm.zero_state(n_rows)
    for beginnings, batch in iter_batches(corpus, n_rows=n_rows, n_sentences=total):
        n_started += len(beginnings)
        for row, number in beginnings:
            queues[row].append(number)
        outputs, state = run_batch(model, batch, types, state)
        for row, values in enumerate(_compute_likelihoods(model, outputs)):
            found[row] = np.concatenate([found[row], values])
            while queues[row] and len(found[row]) > len(corpus.sentence(queues[row][0])):
                number = queues[row].popleft()
                size = len(corpus.sentence(number)) + 1
                yield number, _to_text_order(found[row][:size])
                found[row] = found[row][size:]
    for queue, values in zip(queues, found):
        for number in queue:
            padded = np.full((len(corpus.sentence(number)) + 1, 2), np.nan, dtype=np.float32)
            padded[: len(values)] = values
            yield number, _to_text_order(padded)
            values = values[:0]
    for number in range(n_started, total):
        yield number, _to_text_order(np.full((len(corpus.sentence(number)) + 1, 2), np.nan, dtype=np.float32))


def _iter_fresh(
    model: LanguageModel, corpus: Corpus, types: EncodedTypes, state: LSTMState | None
) -> Iterator[tuple[int, SentenceLikelihood]]:
    for numbers, outputs in run_sentences(model, corpus, types, state=state):
        for number, values in zip(numbers, _compute_likelihoods(model, outputs)):
            yield number, _to_text_order(values[: len(corpus.sentence(number)) + 1])


@computation()
def _compute_likelihoods(model: LanguageModel, outputs: TopLayer) -> NDArray[np.float32]:
    """Compute the log-likelihood of each target, (n_rows, n_steps, 2), in the order of reading."""

    def run_direction(k: int) -> Tensor:
        return model.softmax.log_likelihood(outputs.hidden[k], outputs.targets[k])

    if outputs.hidden.device.type == "cpu":
        directions = make_workers().map(run_direction, range(2))
    else:
        directions = [run_direction(0), run_direction(1)]
    likelihoods: NDArray[np.float32] = torch.stack(directions).permute(2, 1, 0).cpu().numpy()
    return likelihoods


def _to_text_order(values: NDArray[np.float32]) -> SentenceLikelihood:
    # Copies, so that a sentence that is kept does not keep its whole batch in memory.
    return SentenceLikelihood(values[:, 0].copy(), values[::-1, 1].copy())


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf
