"""Lexical substitutes: the words that a language model expects in a token's place.

simple_elmo's get_elmo_substitutes (0.9.2) is for the same purpose, and gives other numbers:

- It hands the zero state to every step, so that a prediction depends on the one neighbouring token. Here it
  depends on the whole sentence to the left (forward) or to the right (backward).
- What it calls "logp" are scores before the softmax, which cannot be compared between tokens. Here they are
  logarithms of probabilities.
- It sets the scores of the sentence marks to 0, which may be among the highest, and keeps <UNK>. Here the special
  words are left out; probabilities are still among all words.
- Its lists are in no order, and it has none of both directions together.
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
from .reading import Read, in_order, read_afresh
from .vocabulary import SPECIAL, Vocabulary, types_of

Ranked = list[tuple[str, float]]

# Tokens whose sentences are read into one small corpus.
_TOKENS = 1 << 15
# Scores of words that are held at once, for each of the two directions.
_SCORES = 1 << 23


class Substitutes(NamedTuple):
    """What a model expects in a token's place, the likeliest word first, with natural logarithms.

    forward: by the tokens before it, log P(word | left). backward: by those after it, log P(word | right).
    both: log P(word | left) + log P(word | right), which ranks words by both sides and is no probability itself.
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
    """The n likeliest words in the place of each token, by its context in the sentence; the token itself may be
    among them, the special words are not.

    sentences: token texts, read some thousand tokens ahead. n: fewer come where the vocabulary has fewer words.
    state: from which every sentence starts, hidden (2, L, P) and cell (2, L, C); None: from zeros.
    RETURNS: for each sentence, one `Substitutes` a token.
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
        yield from in_order(_of_window(model, vocabulary, window, n, state))


def _of_window(
    model: LanguageModel, vocabulary: Vocabulary, window: list[Sequence[str]], n: int, state: LSTMState | None
) -> Iterator[tuple[int, list[Substitutes]]]:
    corpus = Corpus.from_sentences(window)
    types = types_of(corpus.types, model.bilm.options, vocabulary)
    for numbers, read in read_afresh(model, corpus, types, state=state):
        ranked = _ranked(model, vocabulary, _predicting(read, [len(window[number]) for number in numbers]), n)
        for number in numbers:
            yield number, [Substitutes(token, *next(ranked)) for token in window[number]]


def _predicting(read: Read, lengths: Sequence[int]) -> Tensor:
    """What predicts each token of some sentences, in text order: (2, n_tokens, P)."""
    parts = []
    for row, length in enumerate(lengths):
        # The last step of either direction predicts a sentence mark.
        forward, backward = read.hidden[:, :length, row]
        parts.append(torch.stack([forward, backward.flip(0)]))
    return torch.cat(parts, dim=1)


def _ranked(
    model: LanguageModel, vocabulary: Vocabulary, hidden: Tensor, n: int
) -> Iterator[tuple[Ranked, Ranked, Ranked]]:
    """Three lists for each token. hidden: (2, n_tokens, P)."""
    special = vocabulary.ids(SPECIAL).tolist()
    for rows in hidden.split(max(1, _SCORES // len(vocabulary)), dim=1):
        lists = []
        with computation():
            forward, backward = (model.softmax.log_likelihoods(one) for one in rows)  # type: ignore[operator]
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
