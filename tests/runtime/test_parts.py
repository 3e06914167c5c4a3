import pytest
import torch

from spacy_elmo.runtime.parts import N_PARTS, Dropout, Parts, join, split_shares


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_rows_of_parts_come_back_in_order(n: int) -> None:
    rows = torch.randn(n, 3, requires_grad=True)
    shares = split_shares(n)
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


def test_dropout_is_torchs() -> None:
    """Zeros or what makes up for them, a share as asked for; gradients alike."""
    x = torch.ones(200, 100, requires_grad=True)
    dropped = Dropout(0.3, 5)(x)
    dropped.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, dropped.detach())
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert Dropout(0.0, 5)(x) is x
