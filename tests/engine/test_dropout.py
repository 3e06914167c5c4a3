import pytest
import torch

from spacy_elmo.engine.dropout import Dropout


def test_dropout_is_torchs() -> None:
    """Zeros or what makes up for them, a share as asked for; gradients alike."""
    x = torch.ones(200, 100, requires_grad=True)
    dropped = Dropout(0.3, 5)(x)
    dropped.sum().backward()
    assert torch.equal(x.grad, dropped.detach())  # type: ignore[arg-type]
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert Dropout(0.0, 5)(x) is x
