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
from .reading import Read, in_order, read_afresh, read_on, top_layer, workers
from .vocabulary import Types


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
    as bilm-tf reports it. n_predictions: of each direction, a sentence mark with each sentence. Without any
    predictions, the rest is NaN."""

    forward: float
    backward: float
    average: float
    n_predictions: int

    @classmethod
    def of(cls, sentences: Iterable[SentenceLikelihood]) -> "Perplexity":
        sums, n = np.zeros(2), 0
        for sentence in sentences:
            both = np.stack([sentence.forward, sentence.backward[::-1]]).astype(np.float64)
            predicted = ~np.isnan(both).any(axis=0)
            sums += both[:, predicted].sum(axis=1)
            n += int(predicted.sum())
        if not n:
            return cls(math.nan, math.nan, math.nan, 0)
        forward, backward = (-sums / n).tolist()
        return cls(_exp(forward), _exp(backward), _exp((forward + backward) / 2), n)


def iter_carried(
    model: LanguageModel, corpus: Corpus, types: Types, *, n_rows: int = 1, n_sentences: int | None = None
) -> Iterator[SentenceLikelihood]:
    """Each row reads sentence after sentence and carries its state on, as in bilm-tf's test: a row takes the next
    sentence when its own is used up, and the first step that cannot be filled in all rows ends the text, so that
    some predictions at the end are not made.

    n_sentences: read no more than these.
    """
    total = len(corpus) if n_sentences is None else min(n_sentences, len(corpus))
    return in_order(_carried(model, corpus, types, min(n_rows, total), total))


def iter_fresh(
    model: LanguageModel,
    corpus: Corpus,
    types: Types,
    *,
    state: LSTMState | None = None,
) -> Iterator[SentenceLikelihood]:
    """Every sentence starts afresh.

    state: from what, hidden (2, L, P) and cell (2, L, C); None: from zeros.
    """
    return in_order(_fresh(model, corpus, types, state))


def _carried(
    model: LanguageModel, corpus: Corpus, types: Types, n_rows: int, total: int
) -> Iterator[tuple[int, SentenceLikelihood]]:
    # Of each row: the sentences that are not complete, and what was found of them.
    queues: list[deque[int]] = [deque() for _ in range(n_rows)]
    found = [np.empty((0, 2), dtype=np.float32) for _ in range(n_rows)]
    n_begun = 0
    state = model.bilm.zero_state(n_rows)
    for begun, batch in read_on(corpus, n_rows=n_rows, n_sentences=total):
        n_begun += len(begun)
        for row, number in begun:
            queues[row].append(number)
        read, state = top_layer(model, batch, types, state)
        for row, values in enumerate(_likelihoods(model, read)):
            found[row] = np.concatenate([found[row], values])
            while queues[row] and len(found[row]) > len(corpus.sentence(queues[row][0])):
                number = queues[row].popleft()
                size = len(corpus.sentence(number)) + 1
                yield number, _in_text_order(found[row][:size])
                found[row] = found[row][size:]
    for queue, values in zip(queues, found):
        for number in queue:
            padded = np.full((len(corpus.sentence(number)) + 1, 2), np.nan, dtype=np.float32)
            padded[: len(values)] = values
            yield number, _in_text_order(padded)
            values = values[:0]
    for number in range(n_begun, total):
        yield number, _in_text_order(np.full((len(corpus.sentence(number)) + 1, 2), np.nan, dtype=np.float32))


def _fresh(
    model: LanguageModel, corpus: Corpus, types: Types, state: LSTMState | None
) -> Iterator[tuple[int, SentenceLikelihood]]:
    for numbers, read in read_afresh(model, corpus, types, state=state):
        for number, values in zip(numbers, _likelihoods(model, read)):
            yield number, _in_text_order(values[: len(corpus.sentence(number)) + 1])


@computation()
def _likelihoods(model: LanguageModel, read: Read) -> NDArray[np.float32]:
    """Log-likelihood of each target, (n_rows, n_steps, 2), in the order of reading."""

    def direction(k: int) -> Tensor:
        found: Tensor = model.softmax.log_likelihood(read.hidden[k], read.targets[k])  # type: ignore[operator]
        return found

    both = workers().map(direction, range(2)) if read.hidden.device.type == "cpu" else [direction(0), direction(1)]
    likelihood = torch.stack(both)
    found: NDArray[np.float32] = likelihood.permute(2, 1, 0).cpu().numpy()
    return found


def _in_text_order(values: NDArray[np.float32]) -> SentenceLikelihood:
    # Copies, so that a sentence that is kept does not keep its whole batch.
    return SentenceLikelihood(values[:, 0].copy(), values[::-1, 1].copy())


def _exp(value: float) -> float:
    return math.exp(value) if value < 709 else math.inf
