import contextlib
import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from spacy_elmo.inference.sentences import EncodedSentences
from spacy_elmo.inference.word_table import WordTable


class Encoder:
    """Word types are numbers; each is encoded as itself and its square."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, types: Sequence[str]) -> torch.Tensor:
        self.asked.append(list(types))
        return torch.tensor([[float(text), float(text) ** 2] for text in types]).reshape(-1, 2)


def get_places(table: WordTable, types: Sequence[str]) -> tuple[Tensor, np.ndarray]:
    found = table.locate(types)
    assert found is not None
    return found


def expected(types: Sequence[str]) -> torch.Tensor:
    return Encoder()(types)


def test_each_word_type_is_encoded_once() -> None:
    encoder = Encoder()
    table = WordTable(encoder, width=2, capacity=10)
    for types in (["1", "2"], ["2", "3"], ["3", "2", "1"], []):
        assert torch.equal(table.look_up(types), expected(types))
    assert encoder.asked == [["1", "2"], ["3"]]
    assert len(table) == 3


def test_least_recently_used_makes_room() -> None:
    encoder = Encoder()
    table = WordTable(encoder, width=2, capacity=4)
    for types in (["1", "2"], ["3", "4"], ["1"], ["5"]):
        table.look_up(types)
    encoder.asked.clear()
    table.look_up(["1", "3", "4", "5"])
    assert encoder.asked == []
    table.look_up(["2"])
    assert encoder.asked == [["2"]]
    assert len(table) == 4


def test_more_word_types_than_room() -> None:
    encoder = Encoder()
    table = WordTable(encoder, width=2, capacity=3)
    table.look_up(["0", "1"])
    types = [str(i) for i in range(1, 9)]
    assert torch.equal(table.look_up(types), expected(types))
    assert len(table) == 3
    assert torch.equal(table.look_up(types), expected(types))


@pytest.mark.parametrize("capacity", [1, 2, 7, 1000, 3000])
def test_cold_warm_and_overflowing(capacity: int) -> None:
    encoder = Encoder()
    table = WordTable(encoder, width=2, capacity=capacity)
    chance = random.Random(capacity)
    for _ in range(300):
        types = [str(i) for i in chance.sample(range(1500), chance.randrange(40))]
        assert torch.equal(table.look_up(types), expected(types))
        assert len(table) <= capacity
    assert len(table) == min(capacity, len({text for asked in encoder.asked for text in asked}))


def test_table_after_memory_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is in the table, was written there: after an error of any step, and also when it is full."""

    def encode(types: Sequence[str]) -> Tensor:
        return torch.tensor([[float(ord(text)), 1.0] for text in types])

    table = WordTable(encode, width=2, capacity=4)
    rng = np.random.default_rng(0)
    for round_ in range(60):
        types = sorted({chr(97 + k) for k in rng.integers(0, 9, 3)})
        broken = ("_grow", "_on_device")[round_ % 2]
        if round_ % 3 == 0:
            with monkeypatch.context() as patch, contextlib.suppress(MemoryError):
                patch.setattr(table, broken, lambda *_: _no_memory())
                table.locate(types)
        rows, places = get_places(table, types)
        assert torch.equal(rows[torch.from_numpy(places)], encode(types))
        assert torch.equal(table.look_up(types), encode(types))
        assert len(table) <= 4


def test_long_texts_are_shortened() -> None:
    """Neither their text is kept, nor is what is read of them computed twice."""
    encoder = Encoder()
    table = WordTable(encoder, width=2, capacity=10, shorten=lambda text: text[:2])
    long = ["12" + "0" * 5, "1", "12" + "9" * 5, "34" + "0" * 5]
    assert torch.equal(table.look_up(long), expected(["12", "1", "12", "34"]))
    assert encoder.asked == [["12", "1", "34"]]
    rows, places = get_places(table, [*long, "125", "56" * 9, "1"])
    assert torch.equal(rows[torch.from_numpy(places)], expected(["12", "1", "12", "34", "12", "56", "1"]))
    batch = EncodedSentences([*long, "567"], np.array([4, 0, 2, 4, 1]), np.array([2, 3]))
    for _ in range(2):
        found = table.locate_encoded(batch)
        assert found is not None
        assert torch.equal(found[0][torch.from_numpy(found[1])], expected(["56", "12", "12", "56", "1"]))
    assert encoder.asked == [["12", "1", "34"], ["56"]]
    assert sorted(table._row_of) == ["1", "12", "34", "56"]
    assert sorted(table._type_in) == ["1", "12", "34", "56"]


@pytest.mark.parametrize("capacity", [1, 5, 1000])
def test_long_texts_in_a_table_that_overflows(capacity: int) -> None:
    table = WordTable(Encoder(), width=2, capacity=capacity, shorten=lambda text: text[:2])
    chance = random.Random(capacity)
    for _ in range(200):
        types = [str(i) for i in chance.sample(range(1, 1500), chance.randrange(40))]
        short = expected([text[:2] for text in types])
        assert torch.equal(table.look_up(types), short)
        found = table.locate(types)
        if found is not None:
            assert torch.equal(found[0][torch.from_numpy(found[1])], short)
        assert len(table) <= capacity


def _no_memory() -> None:
    raise MemoryError
