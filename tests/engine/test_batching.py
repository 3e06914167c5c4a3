from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.engine.batching import windows

SIZES = st.lists(st.integers(0, 20))
BUDGET = st.integers(1, 30)


@given(SIZES, BUDGET, st.integers(1, 10))
def test_windows_hold_everything_in_order(sizes: list[int], budget: int, most: int) -> None:
    groups = list(windows(sizes, size=int, budget=budget, most=most))
    assert [size for group in groups for size in group] == sizes
    assert all(0 < len(group) <= most for group in groups)
    assert all(sum(group) <= budget or len([s for s in group if s]) == 1 for group in groups)


def test_windows_are_lazy() -> None:
    read = []

    def items() -> Iterator[int]:
        for i in range(100):
            read.append(i)
            yield 1

    groups = windows(items(), size=int, budget=10)
    assert read == []
    next(groups)
    assert len(read) == 10


def test_a_full_window_waits_for_no_further_item() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise AssertionError("asked for more before giving what it has")

    assert next(windows(items(), size=int, budget=100, most=1)) == [1]


def test_an_item_beyond_the_budget_is_alone() -> None:
    assert list(windows([1, 50, 1, 1], size=int, budget=10)) == [[1], [50], [1, 1]]


def test_windows_of_a_budget_that_shrinks() -> None:
    asked: list[int] = []
    budget = iter([10, 10, 4, 4, 4, 4, 4, 4])

    def ask() -> int:
        asked.append(1)
        return next(budget)

    got = windows(iter([3, 3, 3, 3, 3, 3, 3, 9, 1, 1, 1]), size=int, budget=ask, most=2)
    assert asked == []
    assert [*got] == [[3, 3], [3, 3], [3], [3], [3], [9], [1, 1], [1]]
    assert [*windows(iter([]), size=int, budget=ask, most=2)] == []
