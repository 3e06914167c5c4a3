import torch

from spacy_elmo.bilm.lstm import CarriedState, LSTMState


def state(*rows: float) -> LSTMState:
    """A state whose rows are filled with these numbers."""
    column = torch.tensor(rows).reshape(1, 1, -1, 1)
    return LSTMState(column.repeat(2, 3, 1, 4), column.repeat(2, 3, 1, 5))


def rows(of: LSTMState) -> list:
    assert torch.equal(of.hidden[..., 0], of.cell[..., 0])
    return of.hidden[0, 0, :, 0].tolist()


def test_batches_of_2_4_1_3() -> None:
    """The case of parity/README.md: row 1 of the fourth batch goes on from row 1 of the second."""
    carried = CarriedState()
    assert rows(carried.take(state(0, 0))) == [0, 0]
    carried.put(state(1, 2))
    assert rows(carried.take(state(0, 0, 0, 0))) == [1, 2, 0, 0]
    carried.put(state(11, 12, 13, 14))
    assert rows(carried.take(state(0))) == [11]
    carried.put(state(21))
    assert rows(carried.take(state(0, 0, 0))) == [21, 12, 13]
    carried.put(state(31, 32, 33))
    assert rows(carried.take(state(0, 0, 0, 0, 0))) == [31, 32, 33, 14, 0]


def test_reset() -> None:
    carried = CarriedState()
    carried.put(state(1))
    carried.reset()
    assert rows(carried.take(state(0, 0))) == [0, 0]
