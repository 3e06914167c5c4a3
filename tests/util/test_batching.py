from collections.abc import Callable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.runtime.workers import Pending
from spacy_elmo.util.batching import run_ahead, windows

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


@pytest.mark.parametrize("ahead", [0, 1, 2, 50])
def test_what_is_under_way(ahead: int) -> None:
    events: list[str] = []

    def items() -> Iterator[int]:
        for i in range(6):
            events.append(f"read {i}")
            yield i

    def begin(i: int) -> int:
        events.append(f"begin {i}")
        return i

    def finish(i: int) -> list[str]:
        events.append(f"finish {i}")
        return [f"{i}a", f"{i}b"]

    begun = (Pending(partial(finish, begin(i))) for i in items())
    results = run_ahead(begun, ahead=lambda: ahead)
    assert events == []
    assert next(results) == "0a"
    assert events[-2:] == [f"begin {min(ahead, 5)}", "finish 0"]
    assert [*results] == [f"{i}{part}" for i in range(6) for part in "ab"][1:]
    assert [event for event in events if "finish" in event] == [f"finish {i}" for i in range(6)]


@pytest.mark.parametrize("where", ["read", "begin"])
def test_an_error_waits_for_the_results_before_it(where: str) -> None:
    def fail(i: int) -> int:
        if i == 2:
            raise ValueError("two")
        return i

    items = (fail(i) for i in range(4)) if where == "read" else iter(range(4))
    begin: Callable[[int], int] = fail if where == "begin" else int
    pending: Iterator[Pending[list[int]]] = (Pending(partial(list, [begin(i)])) for i in items)
    results = run_ahead(pending, ahead=lambda: 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
