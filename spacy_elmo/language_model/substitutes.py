"""Lexical substitutes: the words that a language model expects in a token's place.

simple_elmo's get_elmo_substitutes (0.9.2) has the same purpose, and gives other numbers:

- It starts every step from the zero state, so that a prediction depends on one neighboring token. Here it depends
  on the whole sentence to the left (forward) or to the right (backward).
- Its "logp" are scores before the softmax, which cannot be compared between tokens. Here they are logarithms of
  probabilities.
- It sets the scores of the boundary tokens to 0, which may be among the highest, and keeps <UNK>. Here the special
  words are left out; probabilities are still among all words.
- Its lists are not sorted, and it has no list of both directions together.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..bilm.lstm import LSTMState
from ..errors import ElmoError, Errors
from ..runtime.isolation import computation
from ..util.batching import windows
from .corpus import Corpus
from .model import LanguageModel
from .reading import TopLayer, restore_order, run_sentences
from .vocabulary import SPECIAL, Vocabulary
from .word_types import encode_types

Ranked = list[tuple[str, float]]

# Tokens that are read ahead, as one small corpus.
_TOKENS = 1 << 15
# Scores of words in memory at a time, for each direction.
_SCORES = 1 << 23


class Substitutes(NamedTuple):
    """The words that a model expects in a token's place, most likely first, with natural logarithms.

    token (str): The token.
    forward (Ranked): By the tokens before it: log P(word | left).
    backward (Ranked): By the tokens after it: log P(word | right).
    both (Ranked): By both: log P(word | left) + log P(word | right), a score that is not a probability.
    """

    token: str
    forward: Ranked
    backward: Ranked
    both: Ranked


def substitutes(
    model: LanguageModel,
    vocabulary: Vocabulary,
    sentences: Iterable[Sequence[str]],
    n: int = 10,
    *,
    state: LSTMState | None = None,
) -> Iterator[list[Substitutes]]:
    """Find the most likely words in the place of each token, by its context in the sentence. The token itself may
    be among them, the special words are not.

    model (LanguageModel): Predicts the words.
    vocabulary (Vocabulary): Its words.
    sentences (Iterable[Sequence[str]]): Token texts; some thousand tokens are read ahead.
    n (int): Words of each list; fewer if the vocabulary has fewer.
    state (LSTMState | None): Where every sentence starts, hidden (2, L, P) and cell (2, L, C); None: zeros.
    YIELDS (list[Substitutes]): One for each token of a sentence.
    RAISES (ElmoError): If n is less than 1.
    """
    if n < 1:
        raise ElmoError(Errors.EL038.format(name="n", low=1, got=n))
    return _substitutes(model, vocabulary, sentences, min(n, len(vocabulary) - len(SPECIAL)), state)


def _substitutes(
    model: LanguageModel,
    vocabulary: Vocabulary,
    sentences: Iterable[Sequence[str]],
    n: int,
    state: LSTMState | None,
) -> Iterator[list[Substitutes]]:
    for window in windows(sentences, size=lambda sentence: len(sentence) + 1, budget=_TOKENS):
        yield from restore_order(_rank_window(model, vocabulary, window, n, state))


def _rank_window(
    model: LanguageModel, vocabulary: Vocabulary, window: list[Sequence[str]], n: int, state: LSTMState | None
) -> Iterator[tuple[int, list[Substitutes]]]:
    corpus = Corpus.from_sentences(window)
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    for numbers, outputs in run_sentences(model, corpus, types, state=state):
        lengths = [len(window[number]) for number in numbers]
        ranked = _rank(model, vocabulary, _select_predictors(outputs, lengths), n)
        for number in numbers:
            yield number, [Substitutes(token, *next(ranked)) for token in window[number]]


def _select_predictors(outputs: TopLayer, lengths: Sequence[int]) -> Tensor:
    """Select the outputs that predict each token of some sentences, in text order: (2, n_tokens, P)."""
    parts = []
    for row, length in enumerate(lengths):
        # The last step of either direction predicts a boundary token.
        forward, backward = outputs.hidden[:, :length, row]
        parts.append(torch.stack([forward, backward.flip(0)]))
    return torch.cat(parts, dim=1)


def _rank(
    model: LanguageModel, vocabulary: Vocabulary, hidden: Tensor, n: int
) -> Iterator[tuple[Ranked, Ranked, Ranked]]:
    """Rank the words in the place of each token, given the outputs (2, n_tokens, P) that predict it."""
    special = vocabulary.ids(SPECIAL).tolist()
    for rows in hidden.split(max(1, _SCORES // len(vocabulary)), dim=1):
        lists = []
        with computation():
            forward, backward = (model.softmax.log_likelihoods(direction) for direction in rows)
            for scores in (forward, backward, forward + backward):
                scores[:, special] = -torch.inf
                values, words = scores.topk(n, dim=1)
                lists.append(
                    [
                        list(zip([vocabulary.words[word] for word in row], row_values))
                        for row, row_values in zip(words.tolist(), values.tolist())
                    ]
                )
        yield from zip(*lists)
