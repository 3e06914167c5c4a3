from collections import Counter, deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.streams import Batch, Order, Streams

Step = tuple[tuple[int, int], tuple[int, int]]

CORPORA = st.lists(st.lists(st.sampled_from("abcde"), max_size=6), min_size=1, max_size=12)


def numbered(n: int) -> Corpus:
    """Make sentences of one word each: the number of the sentence."""
    return Corpus.from_sentences([[str(number)] for number in range(n)])


def streams_of(corpus: Corpus, n_rows: int, *, seed: int = 0, block: int = 4) -> Streams:
    return Streams(corpus, Order(len(corpus), seed=seed, block=block), n_rows=n_rows)


class SlowRow:
    """Read one row, a step at a time: (forward input, target), (backward input, target)."""

    def __init__(self, corpus: Corpus, numbers: Iterator[int]):
        self.corpus, self.numbers = corpus, numbers
        self.left: deque[Step] = deque()
        self.fill()

    def fill(self) -> None:
        opening, closing = len(self.corpus.types), len(self.corpus.types) + 1
        words = self.corpus.sentence(next(self.numbers)).tolist()
        forward = zip([opening, *words], [*words, closing])
        backward = zip([closing, *reversed(words)], [*reversed(words), opening])
        self.left.extend(zip(forward, backward))

    def step(self) -> Step:
        found = self.left.popleft()
        if not self.left:
            self.fill()
        return found


def slow_batches(corpus: Corpus, order: Order, n_rows: int, sizes: list[int]) -> Iterator[list[list[Step]]]:
    """Collect the steps of each row, batch after batch."""
    numbers = (order.sentence(place) for place in range(10**9))
    rows = [SlowRow(corpus, numbers) for _ in range(n_rows)]
    for size in sizes:
        yield [[row.step() for _ in range(size)] for row in rows]


def assert_equal(one: Batch, other: Batch) -> None:
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, other.targets)


def test_inputs_and_targets_of_a_sentence() -> None:
    """As in bilm-tf, boundary tokens are read first, and predicted last."""
    corpus = Corpus.from_sentences([["I", "love", "NLP"]])
    batch = streams_of(corpus, 1).take(4)
    opening, closing = 3, 4
    assert batch.inputs[:, 0, 0].tolist() == [opening, 0, 1, 2]
    assert batch.targets[:, 0, 0].tolist() == [0, 1, 2, closing]
    assert batch.inputs[:, 1, 0].tolist() == [closing, 2, 1, 0]
    assert batch.targets[:, 1, 0].tolist() == [2, 1, 0, opening]


def test_empty_sentence() -> None:
    corpus = Corpus.from_sentences([[], []])
    batch = streams_of(corpus, 1).take(2)
    assert batch.inputs[:, :, 0].tolist() == [[0, 1]] * 2
    assert batch.targets[:, :, 0].tolist() == [[1, 0]] * 2


@settings(deadline=None)
@given(
    corpus=CORPORA.map(Corpus.from_sentences),
    n_rows=st.integers(1, 4),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    seed=st.integers(0, 3),
    block=st.integers(1, 15),
)
def test_rows_read_sentence_after_sentence(
    corpus: Corpus, n_rows: int, sizes: list[int], seed: int, block: int
) -> None:
    """Batches equal rows that are read a step at a time, in both directions, also across batches."""
    streams = streams_of(corpus, n_rows, seed=seed, block=block)
    order = Order(len(corpus), seed=seed, block=block)
    for size, rows in zip(sizes, slow_batches(corpus, order, n_rows, sizes)):
        batch = streams.take(size)
        # rows: (n_rows, n_steps, direction, input and target)
        expected = np.array(rows).transpose(3, 1, 2, 0)
        assert_equal(batch, Batch(*expected))


@pytest.mark.parametrize("n_steps", [1, 2, 7, 50])
def test_arrays_of_a_batch(n_steps: int) -> None:
    batch = streams_of(numbered(5), 3).take(n_steps)
    for array in (batch.inputs, batch.targets):
        assert array.shape == (n_steps, 2, 3)
        assert array.dtype == np.int32
        assert array.flags.c_contiguous


@pytest.mark.parametrize("n_steps", [1, 5])
@pytest.mark.parametrize("n_rows", [1, 3, 20])
def test_every_sentence_once_an_epoch(n_rows: int, n_steps: int) -> None:
    n = 10
    streams = streams_of(numbered(n), n_rows)
    seen: Counter[int] = Counter()
    while sum(seen.values()) < 6 * n:
        batch = streams.take(n_steps)
        # A sentence is its first target, where the opening mark is the input.
        seen.update(batch.targets[:, 0][batch.inputs[:, 0] == n].tolist())
    state, order = streams.state(), Order(n, seed=0, block=4)
    waiting = [order.sentence(int(place)) for place in state["places"][state["offsets"] == 0]]
    handed_out = [order.sentence(place) for place in range(int(state["next"]))]
    assert seen + Counter(waiting) == Counter(handed_out)
    for epoch in range(5):
        assert sorted(handed_out[epoch * n : (epoch + 1) * n]) == list(range(n))


@settings(deadline=None)
@given(n=st.integers(1, 40), block=st.integers(1, 50), seed=st.integers(0, 5), data=st.data())
def test_order_shuffles_each_epoch(n: int, block: int, seed: int, data: Any) -> None:
    order = Order(n, seed=seed, block=block)
    places = [order.sentence(place) for place in range(3 * n)]
    for epoch in range(3):
        sentences = places[epoch * n : (epoch + 1) * n]
        assert sorted(sentences) == list(range(n))
        # Sentences stay within their block, and blocks within the epoch.
        blocks = [sentence // block for sentence in sentences]
        assert sum(one != other for one, other in pairwise(blocks)) == len(set(blocks)) - 1
    # A place may be looked up from anywhere.
    other = Order(n, seed=seed, block=block)
    for place in data.draw(st.lists(st.integers(0, 3 * n - 1), max_size=20)):
        assert other.sentence(place) == places[place]


def test_epochs_and_seeds_differ() -> None:
    n = 50
    for block in (8, 1000):
        orders = [
            [Order(n, seed=seed, block=block).sentence(place) for place in range(3 * n)] for seed in (1, 1, 2)
        ]
        one, same, other = orders
        assert one == same
        assert one != other
        assert one[:n] != one[n : 2 * n] != one[2 * n :]
        assert one[:n] != list(range(n))


def test_blocks_are_shuffled() -> None:
    order = Order(64, seed=0, block=8)
    sentences = np.array([order.sentence(place) for place in range(64)]).reshape(8, 8)
    blocks = sentences[:, 0] // 8
    assert blocks.tolist() != sorted(blocks.tolist())
    assert any((np.diff(inside) < 0).any() for inside in sentences)
    assert len({tuple((inside % 8).tolist()) for inside in sentences}) == 8


def assert_even(counts: NDArray[np.float64]) -> None:
    """Check counts of items by position, over many draws, against a uniform distribution."""
    mean = counts.mean()
    assert np.abs(counts - mean).max() < 4.5 * np.sqrt(mean * (1 - 1 / len(counts)))


def test_shuffles_are_fair() -> None:
    """All positions in a block are equally likely for a sentence, and all positions in an epoch for a block."""
    n_blocks, block, n_epochs = 3, 4, 3000
    order = Order(n_blocks * block, seed=3, block=block)
    of_blocks, of_sentences = np.zeros((n_blocks, n_blocks)), np.zeros((n_blocks, block, block))
    for place in range(n_blocks * block * n_epochs):
        number, inside = divmod(order.sentence(place), block)
        of_sentences[number, place % block, inside] += 1
        of_blocks[place // block % n_blocks, number] += 1 / block
    assert_even(of_blocks)
    for counts in of_sentences:
        assert_even(counts)


@settings(deadline=None)
@given(
    corpus=CORPORA.map(Corpus.from_sentences),
    n_rows=st.integers(1, 4),
    before=st.lists(st.integers(1, 9), max_size=5),
    after=st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_restored_state(corpus: Corpus, n_rows: int, before: list[int], after: list[int]) -> None:
    streams = streams_of(corpus, n_rows)
    for size in before:
        streams.take(size)
    state, epoch = streams.state(), streams.epoch
    expected = [streams.take(size) for size in after]
    # By a fresh one, by one that is elsewhere, and by the very same.
    elsewhere = streams_of(corpus, n_rows)
    elsewhere.take(17)
    for one in (streams_of(corpus, n_rows), elsewhere, streams):
        one.restore(state)
        assert one.epoch == epoch
        for size, batch in zip(after, expected):
            assert_equal(one.take(size), batch)


def test_state_is_numbers() -> None:
    streams = streams_of(numbered(5), 2)
    streams.take(3)
    # One word and the marks are two steps: both rows have read a sentence and half of the next.
    state = streams.state()
    assert {name: array.tolist() for name, array in state.items()} == {
        "places": [2, 3],
        "offsets": [1, 1],
        "next": 4,
    }
    assert {array.dtype for array in state.values()} == {np.dtype(np.int64)}


def test_epoch() -> None:
    streams = streams_of(numbered(8), 2)
    epochs = [streams.epoch]
    for _ in range(4):
        streams.take(2)
        epochs.append(streams.epoch)
    assert epochs == [0.25, 0.5, 0.75, 1.0, 1.25]
