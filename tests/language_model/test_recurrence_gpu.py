"""A layer by Triton kernels; see also tests/pretraining/test_gpu.py."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from spacy_elmo.gpu import support, training_steps
from tests.interpreter import run_cases


def test_kernels_are_for_gpus() -> None:
    assert not support.usable(torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.needs("triton")
def test_kernels_in_the_interpreter() -> None:
    run_cases(Path(__file__).with_name("interpreted.py"))


def test_no_triton_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "has_triton", lambda: False)
    support._run_on.cache_clear()
    assert not support.usable(torch.device("cuda"))
    support._run_on.cache_clear()


def test_kernels_fail_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one warning, and torch's operators are used."""

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(support, "has_triton", lambda: True)
    monkeypatch.setattr(training_steps, "hidden_forward", fail)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch, "zeros", lambda *shape, device: torch.empty(shape))
    support._run_on.cache_clear()
    with pytest.warns(UserWarning, match=r"\[WL017\].*RuntimeError: Failed to find C compiler"):
        assert not support.usable(torch.device("cuda"))
    assert not support.usable(torch.device("cuda"))
    support._run_on.cache_clear()
