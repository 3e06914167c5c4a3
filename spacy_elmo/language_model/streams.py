"""Endless rows of text for truncated backpropagation: each row reads sentence after sentence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus

# Sentences that are shuffled among themselves; the blocks of an epoch come in shuffled order as well. Where texts
# of a kind stand together, small blocks make a run learn one kind after the other.
SHUFFLE_BLOCK = 1 << 20


@dataclass(frozen=True)
class Batch:
    """The next steps of all rows. Numbers are places among the corpus' types; opening and closing mark come
    after them.

    inputs, targets: (n_steps, 2, n_rows), int32, forward direction first.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]


class Order:
    """In which order the sentences of an endless text come: epoch after epoch, each in another order.

    n_sentences: of one epoch. seed: of the order. An order is a function of the two alone, so that a place in it
    is one number.
    """

    def __init__(self, n_sentences: int, *, seed: int, block: int = SHUFFLE_BLOCK):
        self.n_sentences = n_sentences
        self.seed = seed
        self.block = block
        self._n_blocks = -(-n_sentences // block)
        self._epoch = self._number = -1

    def sentence(self, place: int) -> int:
        """Number of the sentence at a place, from 0 up."""
        epoch, within = divmod(place, self.n_sentences)
        if epoch != self._epoch:
            self._epoch, self._number = epoch, -1
            self._blocks = np.random.default_rng([self.seed, epoch]).permutation(self._n_blocks)
            sizes = np.minimum(self.block, self.n_sentences - self._blocks * self.block)
            self._ends = np.cumsum(sizes)
        number = int(np.searchsorted(self._ends, within, side="right"))
        if number != self._number:
            self._number = number
            block = int(self._blocks[number])
            size = min(self.block, self.n_sentences - block * self.block)
            rng = np.random.default_rng([self.seed, epoch, block])
            self._sentences = rng.permutation(size) + block * self.block
            self._start = int(self._ends[number]) - size
        return int(self._sentences[within - self._start])


class Streams:
    """n_rows rows that take sentences in turn: a row takes the next one when its own is used up.

    A sentence w1 ... wn is read forward as <S> w1 ... wn with the targets w1 ... wn </S>, backward as
    </S> wn ... w1 with the targets wn ... w1 <S>, as in bilm-tf (bilm/data.py).
    """

    def __init__(self, corpus: Corpus, order: Order, *, n_rows: int):
        self._corpus, self._order = corpus, order
        self._opening, self._closing = len(corpus.types), len(corpus.types) + 1
        self._places = np.arange(n_rows, dtype=np.int64)
        self._offsets = np.zeros(n_rows, dtype=np.int64)
        self._next = n_rows
        self._texts: list[NDArray[np.int32]] = [self._text(int(place)) for place in self._places]

    @property
    def epoch(self) -> float:
        """How many times the text has been handed out."""
        return self._next / self._order.n_sentences

    def take(self, n_steps: int) -> Batch:
        """The next n_steps predictions of every row and direction."""
        n_rows = len(self._texts)
        inputs = np.empty((2, n_rows, n_steps), dtype=np.int32)
        targets = np.empty_like(inputs)
        for row in range(n_rows):
            filled = 0
            while filled < n_steps:
                text, start = self._texts[row], int(self._offsets[row])
                end = min(start + n_steps - filled, len(text) - 1)
                steps = slice(filled, filled + end - start)
                turned = text[::-1]
                inputs[0, row, steps], targets[0, row, steps] = text[start:end], text[start + 1 : end + 1]
                inputs[1, row, steps], targets[1, row, steps] = turned[start:end], turned[start + 1 : end + 1]
                filled += end - start
                self._offsets[row] = end
                if end == len(text) - 1:
                    self._places[row] = self._next
                    self._offsets[row] = 0
                    self._texts[row] = self._text(self._next)
                    self._next += 1
        by_step = (2, 0, 1)
        return Batch(
            np.ascontiguousarray(inputs.transpose(by_step)), np.ascontiguousarray(targets.transpose(by_step))
        )

    def _text(self, place: int) -> NDArray[np.int32]:
        sentence = self._corpus.sentence(self._order.sentence(place))
        return np.concatenate([[self._opening], sentence, [self._closing]]).astype(np.int32)

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Where the rows are, for `restore`."""
        return {
            "places": self._places.copy(),
            "offsets": self._offsets.copy(),
            "next": np.array(self._next, dtype=np.int64),
        }

    def restore(self, state: dict[str, NDArray[np.int64]]) -> None:
        """Go on where `state` was taken."""
        self._places, self._offsets = state["places"].copy(), state["offsets"].copy()
        self._next = int(state["next"])
        self._texts = [self._text(int(place)) for place in self._places]
