import torch
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.bilm.packing import Packing

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def test_by_hand() -> None:
    packing = Packing([2, 3, 1])
    flat = torch.tensor([[0], [1], [10], [11], [12], [20]])
    assert packing.batch_sizes == [3, 2, 1]
    assert packing.order.tolist() == [1, 0, 2]
    assert packing.pack(flat, backward=False).flatten().tolist() == [10, 0, 20, 11, 1, 12]
    assert packing.pack(flat, backward=True).flatten().tolist() == [12, 1, 20, 11, 0, 10]


@given(LENGTHS)
def test_as_torch_packs(lengths: list[int]) -> None:
    flat = torch.arange(sum(lengths)).unsqueeze(1)
    sequences = list(flat.split(lengths))
    packing = Packing(lengths)
    forward = torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    backward = torch.nn.utils.rnn.pack_sequence([one.flip(0) for one in sequences], enforce_sorted=False)
    assert packing.batch_sizes == forward.batch_sizes.tolist()
    for direction, expected in ((False, forward), (True, backward)):
        packed = packing.pack(flat, backward=direction)
        assert torch.equal(torch.sort(packed.flatten())[0], flat.flatten())
        if len(set(lengths)) == len(lengths):  # torch breaks ties between equal lengths in its own way
            assert torch.equal(packed, expected.data)
        assert torch.equal(packing.unpack(packed, backward=direction), flat)


@given(LENGTHS)
def test_order_and_its_inverse(lengths: list[int]) -> None:
    packing = Packing(lengths)
    ordered = [lengths[i] for i in packing.order.tolist()]
    assert ordered == sorted(lengths, reverse=True)
    assert packing.order[packing.unsort].tolist() == list(range(len(lengths)))
