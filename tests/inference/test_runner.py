import warnings
from collections.abc import Sequence
from typing import Any

import pytest
import torch

import spacy_elmo
from spacy_elmo.inference.base import N_BOUNDARIES
from spacy_elmo.inference.runner import Budget
from spacy_elmo.inference.sentences import count_rows
from tests.data import TINY


def sentences(*sizes: int) -> list[list[str]]:
    """Sentences that take up so many rows each, with their boundary tokens."""
    return [["a"] * (size - N_BOUNDARIES) for size in sizes]


def sizes(parts: list[Sequence[list[str]]]) -> list[list[int]]:
    return [[len(sentence) + N_BOUNDARIES for sentence in part] for part in parts]


class Device:
    """Runs out of memory over more than `room` rows."""

    def __init__(self, room: int):
        self.room = room
        self.released = 0

    def compute(self, part: Sequence[list[str]]) -> Sequence[list[str]]:
        if count_rows(part) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nMore of it.")
        return part

    def release(self) -> None:
        self.released += 1


def run(budget: Budget, device: Device, *given: int) -> list[list[int]]:
    return sizes(list(budget.run(sentences(*given), device.compute, release=device.release)))


def test_what_fits_runs_at_once() -> None:
    budget, device = Budget(100), Device(100)
    assert run(budget, device, 2, 3, 4) == [[2, 3, 4]]
    assert budget.tokens == 100
    assert device.released == 0


def test_halves_and_one_warning() -> None:
    budget, device = Budget(100), Device(20)
    with pytest.warns(
        UserWarning, match=r"\[WL015\].*in a batch of 64 tokens .*CUDA out of memory.*with 32"
    ) as seen:
        parts = run(budget, device, *[8] * 8)
    assert len(seen) == 1
    assert [n for part in parts for n in part] == [8] * 8
    assert all(sum(part) <= 20 for part in parts)
    assert budget.tokens == 16
    assert device.released == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Smaller from now on, and quiet.
        assert [sum(part) for part in run(budget, device, *[2] * 15)] == [16, 14]


def test_a_batch_of_one_size_is_halved_too() -> None:
    """The budget was larger than the batch: halves of the budget would be the batch again."""
    budget, device = Budget(10_000), Device(7)
    with pytest.warns(UserWarning, match="WL015"):
        assert run(budget, device, 4, 2, 4, 2) == [[4, 2], [4, 2]]


def test_one_sentence_that_does_not_fit() -> None:
    budget, device = Budget(100), Device(5)
    with (
        pytest.warns(UserWarning, match="WL015"),
        pytest.raises(MemoryError, match=r"EL166.*sentence of 9 tokens"),
    ):
        run(budget, device, 9, 2)


def test_embed_in_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    elmo = spacy_elmo.load(TINY)
    sentences = [["a"] * n for n in (3, 1, 4, 1, 5, 9, 2, 6)]
    expected = elmo.embed(sentences)
    whole = elmo.engine.plan

    def run_out(batch: Any, **settings: Any) -> Any:
        if sum(map(len, batch)) > 12:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(batch, **settings)

    monkeypatch.setattr(elmo.engine, "plan", run_out)
    with pytest.warns(UserWarning, match="WL015"):
        got = elmo.embed(sentences)
    assert [len(output.elmo) for output in got] == [len(sentence) for sentence in sentences]
    for one, other in zip(got, expected):
        assert abs(one.elmo - other.elmo).max() < 1e-6


def test_one_item_fits_after_a_release() -> None:
    budget, device = Budget(100), Device(5)

    def release() -> None:
        device.room = 50

    assert sizes(list(budget.run(sentences(9), device.compute, release=release))) == [[9]]
    assert budget.tokens == 100


def test_a_moment_without_memory_does_not_last() -> None:
    budget, device = Budget(131_072), Device(5)
    with pytest.warns(UserWarning, match="WL015"):
        assert run(budget, device, 3, 3, 3) == [[3], [3], [3]]
    assert budget.tokens == 2048
    device.room = 10_000
    assert run(budget, device, *[2] * 1500) == [[2] * 1024, [2] * 476]
