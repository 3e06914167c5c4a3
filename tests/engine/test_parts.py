import pytest
import torch

from spacy_elmo.engine.parts import N_PARTS, Parts, join, shares_of


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_rows_of_parts_come_back_in_order(n: int) -> None:
    rows = torch.randn(n, 3, requires_grad=True)
    shares = shares_of(n)
    assert len(shares) == max(1, min(N_PARTS, n))
    joined = join([rows[share] for share in shares], shares)
    assert torch.equal(joined, rows)
    assert not joined.requires_grad


def test_gradients_are_recorded() -> None:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        made = Parts(2).map(lambda factor: x * factor, [3, 5])
    assert [product.sum().item() for product in made] == [6, 10]
    assert all(product.requires_grad for product in made)
