import pytest
import torch

from spacy_elmo.models.torch_shim import are_finite


@pytest.mark.parametrize("n_threads", [1, 2])
def test_finite_gradients(n_threads: int) -> None:
    largest = torch.finfo(torch.float32).max
    some = [torch.full((3, 5), largest), torch.zeros(0, 4), torch.tensor(-largest), torch.ones(2).double()]
    assert are_finite(some, n_threads=n_threads)
    assert are_finite([])
    assert are_finite([torch.zeros(0)])
    for bad in (float("nan"), float("inf"), -float("inf")):
        for place in range(3):
            spoilt = torch.ones(3, 1)
            spoilt[place] = bad
            assert not are_finite([*some, spoilt], n_threads=n_threads)
            assert not are_finite([spoilt, *some], n_threads=n_threads)
