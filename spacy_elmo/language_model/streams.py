"""Endless rows of text for truncated backpropagation: each row reads one sentence after the other."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus

# Sentences in a block. Sentences are shuffled within their block, and the blocks of an epoch are shuffled as well.
# Where similar texts are next to each other, small blocks make a run learn one kind of text after the other.
SHUFFLE_BLOCK = 1 << 20


@dataclass(frozen=True)
class Batch:
    """The next steps of all rows, as indices of the corpus' types, which <S> and </S> follow.

    inputs (NDArray): What is read: (n_steps, 2, n_rows), int32, forward direction first.
    targets (NDArray): What is predicted from it, in the same shape.
    """

    inputs: NDArray[np.int32]
    targets: NDArray[np.int32]


class Order:
    """The order of the sentences of an endless text: epoch after epoch, each in another order.

    It depends on the arguments alone, so that a position in it is one number.

    n_sentences (int): Sentences of one epoch.
    seed (int): For the random numbers.
    block (int): Sentences in a block; see `SHUFFLE_BLOCK`.
    """

    def __init__(self, n_sentences: int, *, seed: int, block: int = SHUFFLE_BLOCK):
        self.n_sentences = n_sentences
        self.seed = seed
        self.block = block
        self._n_blocks = -(-n_sentences // block)
        self._epoch = self._number = -1

    def sentence(self, place: int) -> int:
        """Find the sentence at a position.

        place (int): The position in the endless text, from 0 up.
        RETURNS (int): The sentence's number in the corpus.
        """
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
    """Rows that take sentences in turn: a row takes the next one at the end of the one before.

    A sentence w1 ... wn is read forward as <S> w1 ... wn with the targets w1 ... wn </S>, backward as
    </S> wn ... w1 with the targets wn ... w1 <S>, as in bilm-tf (bilm/data.py).

    corpus (Corpus): The text.
    order (Order): In which order its sentences come.
    n_rows (int): Number of rows.
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
        """How many times the text has been read."""
        return self._next / self._order.n_sentences

    def take(self, n_steps: int) -> Batch:
        """Take the next predictions of every row and direction.

        n_steps (int): Predictions of each.
        RETURNS (Batch): Their inputs and targets.
        """
        n_rows = len(self._texts)
        inputs = np.empty((2, n_rows, n_steps), dtype=np.int32)
        targets = np.empty_like(inputs)
        for row in range(n_rows):
            filled = 0
            while filled < n_steps:
                text, start = self._texts[row], int(self._offsets[row])
                end = min(start + n_steps - filled, len(text) - 1)
                steps = slice(filled, filled + end - start)
                reverse = text[::-1]
                inputs[0, row, steps], targets[0, row, steps] = text[start:end], text[start + 1 : end + 1]
                inputs[1, row, steps], targets[1, row, steps] = reverse[start:end], reverse[start + 1 : end + 1]
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
        """Copy the positions of the rows.

        RETURNS (dict[str, NDArray]): For `restore`.
        """
        return {
            "places": self._places.copy(),
            "offsets": self._offsets.copy(),
            "next": np.array(self._next, dtype=np.int64),
        }

    def restore(self, state: dict[str, NDArray[np.int64]]) -> None:
        """Continue from earlier positions.

        state (dict[str, NDArray]): What `state` returned there.
        """
        self._places, self._offsets = state["places"].copy(), state["offsets"].copy()
        self._next = int(state["next"])
        self._texts = [self._text(int(place)) for place in self._places]
