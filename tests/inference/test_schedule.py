import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.inference.schedule import Schedule

LENGTHS = st.lists(st.integers(0, 12), max_size=40)
MOST_ROWS = st.one_of(st.none(), st.integers(1, 20))


@given(LENGTHS, MOST_ROWS, st.booleans())
def test_every_token_has_its_place(lengths: list[int], most_rows: int | None, backward: bool) -> None:
    schedule = Schedule(lengths, most_rows=most_rows)
    order, places = schedule.order(backward=backward), schedule.places(backward=backward)
    assert sorted(order.tolist()) == list(range(sum(lengths)))
    assert order[places].tolist() == list(range(sum(lengths)))
    assert sum(step.size for step in schedule.steps) == schedule.n_tokens == sum(lengths)
    assert [step.first for step in schedule.steps] == np.cumsum([0, *(s.size for s in schedule.steps)])[
        :-1
    ].tolist()
    sizes = [step.size for step in schedule.steps]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes, default=0) == schedule.n_rows


@given(LENGTHS, MOST_ROWS, st.booleans())
def test_sentences_run_through_their_row(lengths: list[int], most_rows: int | None, backward: bool) -> None:
    """A walk over the steps, as the LSTM does it, sees each sentence whole, in order, from its start."""
    schedule = Schedule(lengths, most_rows=most_rows)
    sentence_by_token = np.repeat(np.arange(len(lengths)), lengths)
    order = schedule.order(backward=backward).numpy()
    seen: list[list[int]] = [[] for _ in range(schedule.n_rows)]
    starts: list[list[int]] = [[] for _ in range(schedule.n_rows)]
    for number, step in enumerate(schedule.steps):
        starting = (
            list(range(step.size)) if number == 0 else [] if step.starting is None else step.starting.tolist()
        )
        for row in range(step.size):
            token = order[step.first + row]
            if row in starting:
                starts[row].append(len(seen[row]))
            seen[row].append(int(token))
    offsets = np.cumsum([0, *lengths])
    for row, tokens in enumerate(seen):
        for start, end in zip(starts[row], [*starts[row][1:], len(tokens)]):
            sentence = int(sentence_by_token[tokens[start]])
            whole = list(range(offsets[sentence], offsets[sentence + 1]))
            assert tokens[start:end] == (whole[::-1] if backward else whole)
            assert schedule.sentence_rows()[sentence] == row
    assert sum(map(len, starts)) == np.count_nonzero(lengths)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(1, 16))
def test_rows_end_at_about_the_same_time(lengths: list[int], most_rows: int) -> None:
    schedule = Schedule(lengths, most_rows=most_rows)
    even = sum(lengths) / schedule.n_rows
    # Graham 1969: the row that ends last was the shortest when its last sentence came.
    assert len(schedule.steps) <= even + max(lengths)


def test_a_row_for_each_sentence() -> None:
    schedule = Schedule([2, 5, 3])
    assert schedule.sentence_rows().tolist() == [2, 0, 1]
    assert [step.size for step in schedule.steps] == [3, 3, 2, 1, 1]
    assert all(step.starting is None for step in schedule.steps)


def test_rows_are_filled() -> None:
    schedule = Schedule([3, 1, 1, 1, 0], most_rows=2)
    assert [step.size for step in schedule.steps] == [2, 2, 2]
    assert [None if s.starting is None else s.starting.tolist() for s in schedule.steps] == [None, [1], [1]]
    assert schedule.sentence_rows().tolist() == [0, 1, 1, 1, -1]


@pytest.mark.parametrize("lengths", [[], [0], [0, 0]])
def test_nothing_to_run(lengths: list[int]) -> None:
    schedule = Schedule(lengths, most_rows=8)
    assert schedule.steps == []
    assert schedule.n_rows == 0
    assert schedule.order(backward=True).dtype == torch.int64
