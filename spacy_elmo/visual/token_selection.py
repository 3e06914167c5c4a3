"""The tokens of several texts in one row, as many as can be shown."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..bilm.layers import lstm_layer
from ..errors import ElmoError, Errors
from .markup import escape, shorten
from .passages import Passage

# Tokens that are shown on either side of one in its sentence.
CONTEXT = 12


class Selection:
    """The tokens that a figure shows, numbered over all texts.

    passages (Sequence[Passage]): The texts; of the last one perhaps a part.
    n_left_out (int): Tokens that are not shown.
    """

    def __init__(self, passages: Sequence[Passage], *, n_left_out: int):
        self.passages = list(passages)
        self.n_left_out = n_left_out
        self.tokens = [token for passage in passages for token in passage.tokens]
        self.layer_names = list(passages[0].layers) if passages else []

    @cached_property
    def firsts(self) -> list[int]:
        """The number of each text's first token."""
        lengths = [len(passage) for passage in self.passages]
        return [0, *np.cumsum(lengths).tolist()][: len(lengths)]

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """The first token and the end of each sentence."""
        return [
            (first + start, first + end)
            for first, passage in zip(self.firsts, self.passages)
            for start, end in passage.bounds()
        ]

    @cached_property
    def sentence_numbers(self) -> list[int]:
        """The number of each token's sentence."""
        return [number for number, (start, end) in enumerate(self.sentences) for _ in range(start, end)]

    @cached_property
    def passage_numbers(self) -> list[int]:
        """The number of each token's text."""
        return [number for number, passage in enumerate(self.passages) for _ in range(len(passage))]

    @cached_property
    def spaces(self) -> list[bool]:
        """Whether there is whitespace after each token."""
        return [space for passage in self.passages for space in passage.spaces]

    @property
    def notes(self) -> list[str]:
        """What a reader must be told."""
        if not self.n_left_out:
            return []
        total = len(self.tokens) + self.n_left_out
        left_out = f"{self.n_left_out:,} of {total:,} tokens are left out."
        return [f"{left_out} Give fewer or shorter texts, or raise max_tokens."]

    def vectors(self, layer: str) -> NDArray[np.floating]:
        """Get the vectors of all tokens.

        layer (str): The layer.
        RETURNS (NDArray): (n_tokens, width).
        """
        return np.concatenate([passage.layers[layer] for passage in self.passages])

    def choose_layer(self, wanted: str | None) -> str:
        """Choose the layer that is shown first.

        wanted (str | None): The layer that is asked for.
        RETURNS (str): That; else lstm_outputs1, which represents words in their context, else the first layer.
        RAISES (ElmoError): If the texts do not have the layer.
        """
        if wanted is None:
            default = lstm_layer(1)
            return default if default in self.layer_names else self.layer_names[0]
        if wanted not in self.layer_names:
            raise ElmoError(Errors.EL330.format(got=repr(wanted), kept=", ".join(self.layer_names)))
        return wanted

    def find_repeated(self) -> int:
        """Find a token that is worth a look.

        RETURNS (int): The first use of a word with several uses; else the first token. Long words count for more:
            the most frequent ones, such as articles, are short.
        """
        counts = Counter(token.lower() for token in self.tokens if token.isalpha())
        repeated = [row for row, token in enumerate(self.tokens) if counts[token.lower()] > 1]
        return max(
            repeated, key=lambda row: counts[self.tokens[row].lower()] * len(self.tokens[row]) ** 2, default=0
        )


def select_tokens(passages: Sequence[Passage], max_tokens: int) -> Selection:
    """Select the first tokens of texts.

    passages (Sequence[Passage]): The texts.
    max_tokens (int): How many tokens are shown at most.
    RETURNS (Selection): They, and how many are left out.
    """
    room = max_tokens
    shown = []
    for passage in passages:
        shown.append(passage[: max(room, 0)] if len(passage) > room else passage)
        room -= len(passage)
    kept = [passage for passage in shown if len(passage)] or shown[:1]
    return Selection(kept, n_left_out=max(0, -room))


def mark_in_context(chosen: Selection, row: int) -> str:
    """Show a token in its sentence, marked.

    chosen (Selection): The texts.
    row (int): The token.
    RETURNS (str): HTML.
    """
    before, token, after = split_context(chosen, row)
    return (
        f'<span class="elmo-context" dir="auto">{escape(before)}<mark>{escape(token)}</mark>{escape(after)}</span>'
    )


def split_context(chosen: Selection, row: int) -> tuple[str, str, str]:
    """Split a sentence at a token; of a long sentence, only what is near.

    chosen (Selection): The texts.
    row (int): The token.
    RETURNS (tuple[str, str, str]): What is before the token, the token, and what is after it.
    """
    start, end = chosen.sentences[chosen.sentence_numbers[row]]
    first, last = max(start, row - CONTEXT), min(end, row + CONTEXT + 1)
    words = [shorten(chosen.tokens[k]) + " " * (chosen.spaces[k] and k < last - 1) for k in range(first, last)]
    token = words[row - first]
    before = "… " * (first > start) + "".join(words[: row - first])
    after = token[len(token.rstrip(" ")) :] + "".join(words[row - first + 1 :]) + " …" * (last < end)
    return before, token.rstrip(" "), after
