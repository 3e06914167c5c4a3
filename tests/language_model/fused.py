"""A layer by the kernels for GPUs and by torch's own operators."""

from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.gpu import support
from tests.language_model.test_recurrence import Layer
from tests.pretraining.tiny import lm_error


def found_by(layer: Layer, *, fused: bool) -> list[Tensor]:
    """Run a layer; return outputs, both parts of the state, and all gradients."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(support, "usable", lambda device: fused)
        outputs = layer(*layer.given)
        return [part.detach() for part in (*outputs, *layer.gradients(outputs))]


def rounded(lstm: Any, *, device: str) -> None:
    """Kernels in bfloat16 are about as close to float32 as torch's operators, and not equal to it."""
    large = {**lstm, "dim": lstm["dim"] * 8, "projection_dim": lstm["projection_dim"] * 8}
    layer = Layer(n_steps=8, n_rows=9, dtype=torch.float32, **large)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(0.3)
    layer.to(device)
    layer.given = [part.detach().to(device).requires_grad_() for part in layer.given]
    exact = found_by(layer, fused=False)
    layer.dtype = torch.bfloat16
    torch_own, got = found_by(layer, fused=False), found_by(layer, fused=True)
    for number, (one, other, wanted) in enumerate(zip(got, torch_own, exact, strict=True)):
        assert one.dtype == torch.float32
        # A number that rounding moves over its bound has no gradient, which is a matter of luck.
        most = 1.5 if number < 3 else 2.5
        assert 1e-4 < lm_error(one, wanted) < most * lm_error(other, wanted)
