"""Kernels on the CPU, in Triton's interpreter: run by test_kernels.py in a process of its own, because Triton
decides when it is imported."""

import pytest

from tests.inference.cuda.models import LSTMS, WORDS, distance, engines, options, random_state, sentences
from tests.interpreter import require_interpreter

require_interpreter()

TOLERANCE = 3e-6


# One row, single rows, tiles of rows that hold sentence after sentence, and more steps than a block has.
@pytest.mark.parametrize("lstm", LSTMS)
@pytest.mark.parametrize(("lengths", "most_rows"), [([3], 9), ([2, 1, 2], 9), ([1, 2, 1, 2, 3, 1], 5)], ids=str)
def test_layers(lstm: str, lengths: list[int], most_rows: int) -> None:
    engine, exact = engines(options(lstm), "cpu")
    engine._most_rows = most_rows
    batch = sentences(lengths)
    assert (
        distance(engine.run(batch, n_layers=2, state=None), exact.run(batch, n_layers=2, state=None)) < TOLERANCE
    )


def test_wide_tiles() -> None:
    """More rows than are narrow: inputs and state are multiplied together."""
    engine, exact = engines(options("clips"), "cpu")
    batch = sentences([1, 2, 1] * 6)
    assert (
        distance(engine.run(batch, n_layers=2, state=None), exact.run(batch, n_layers=2, state=None)) < TOLERANCE
    )


@pytest.mark.parametrize("lengths", [[1, 0, 2], [2, 1, 0, 1, 2, 1]], ids=str)
def test_carried_state(lengths: list[int]) -> None:
    small = options("clips")
    engine, exact = engines(small, "cpu")
    batch, state = sentences(lengths), random_state(small, len(lengths))
    got = engine.run(batch, n_layers=2, state=state)
    expected = exact.run(batch, n_layers=2, state=type(state)(*(part.double() for part in state)))
    assert distance(got, expected) < TOLERANCE


def test_many_steps() -> None:
    engine, exact = engines(options("clips"), "cpu")
    batch = sentences([18])
    assert (
        distance(engine.run(batch, n_layers=2, state=None), exact.run(batch, n_layers=2, state=None)) < TOLERANCE
    )


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_other_numbers_of_layers(n_layers: int) -> None:
    engine, exact = engines(options("clips", n_layers=3), "cpu")
    batch = sentences([2, 3])
    got = engine.run(batch, n_layers=n_layers, state=None)
    assert len(got.lstm) == n_layers
    assert distance(got, exact.run(batch, n_layers=n_layers, state=None)) < TOLERANCE


def test_batches_of_many_sizes_in_turn() -> None:
    """Memory that is kept from batch to batch changes nothing."""
    engine, _ = engines(options("clips"), "cpu")
    # All words are known from here on: what is encoded together may differ in a last bit.
    engine.run(sentences([len(WORDS)]), n_layers=0, state=None)
    first = engine.run(sentences([2]), n_layers=2, state=None)
    for lengths in ([1, 3, 1, 2, 2], [3], [1, 1]):
        engine.run(sentences(lengths), n_layers=2, state=None)
    again = engine.run(sentences([2]), n_layers=2, state=None)
    assert all(bool((one == other).all()) for one, other in zip(again.lstm, first.lstm))
