"""Which ways there are is asked in one place; other processors and other versions of torch are played here."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.cpu.linear import LinearType, TorchLinear

QUESTIONS = [features.has_packed_linear, features.has_bf16, features.choose_int8_linear]


@pytest.fixture(autouse=True)
def _forget_answers() -> Iterator[None]:
    for question in QUESTIONS:
        question.cache_clear()
    yield
    for question in QUESTIONS:
        question.cache_clear()


class Slow(TorchLinear):
    def __call__(self, x: Tensor) -> Tensor:
        time.sleep(0.01)
        return super().__call__(x)


class Slower(Slow):
    def __call__(self, x: Tensor) -> Tensor:
        time.sleep(0.05)
        return super().__call__(x)


class Overflowing(TorchLinear):
    """As 8-bit integers are multiplied without VNNI: sums of two products are cut off at 15 bits."""

    def __call__(self, x: Tensor) -> Tensor:
        x, weight = ((tensor * 127).round() for tensor in (x, self.weight()))
        products = (x.unsqueeze(1) + 128) * weight
        pairs = (products[..., ::2] + products[..., 1::2]).clamp(-(2**15), 2**15 - 1)
        return (pairs.sum(-1) - 128 * weight.sum(1)) / 127**2


class Wrong(TorchLinear):
    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x)[:2]


@pytest.fixture
def vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True}, raising=False)


class NoOperators:
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no operator {name}")


def test_a_torch_without_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", NoOperators())
    monkeypatch.setattr(torch.ops, "onednn", NoOperators())
    assert not features.has_packed_linear()
    assert not features.has_int8()


def test_operators_that_compute_something_else(monkeypatch: pytest.MonkeyPatch, vnni: None) -> None:
    monkeypatch.setattr(features, "_packed_linear", lambda x, weight: x @ weight.t() + 1)
    monkeypatch.setattr(features, "INT8_WAYS", (Wrong, Overflowing))
    assert not features.has_packed_linear()
    assert not features.has_int8()


@pytest.mark.parametrize("error", [RuntimeError, TypeError, NotImplementedError])
def test_operators_that_fail(monkeypatch: pytest.MonkeyPatch, vnni: None, error: Any) -> None:
    def fail(*args: Any) -> Any:
        raise error("illegal instruction, in kind")

    monkeypatch.setattr(features, "_packed_linear", fail)
    monkeypatch.setattr(features, "INT8_WAYS", (fail, fail))
    assert not features.has_packed_linear()
    assert not features.has_int8()


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ((TorchLinear,), TorchLinear),
        ((Slower, TorchLinear), TorchLinear),
        ((TorchLinear, Slow), TorchLinear),
        ((Overflowing, TorchLinear), TorchLinear),
        ((Slow, Slower), None),
        ((), None),
    ],
)
def test_integers_that_are_multiplied_slowly(
    ways: tuple[LinearType, ...], expected: Any, monkeypatch: pytest.MonkeyPatch, vnni: None
) -> None:
    monkeypatch.setattr(features, "INT8_WAYS", ways)
    before = torch.get_num_threads()
    assert features.choose_int8_linear() is expected
    assert features.has_int8() is (expected is not None)
    assert torch.get_num_threads() == before


def test_the_faster_of_two(monkeypatch: pytest.MonkeyPatch, vnni: None) -> None:
    """Both are fast enough; the choice is made once."""
    monkeypatch.setattr(features, "_is_fast", lambda way: True)
    for ways in ((Slow, Slower), (Slower, Slow)):
        features.choose_int8_linear.cache_clear()
        monkeypatch.setattr(features, "INT8_WAYS", ways)
        assert features.choose_int8_linear() is Slow
    monkeypatch.setattr(features, "INT8_WAYS", ())
    assert features.choose_int8_linear() is Slow


def test_onednn_kept_from_vnni() -> None:
    """It can be told not to use what the processor has, and multiplies 8-bit integers with overflows then."""
    if not features.has_int8():
        pytest.skip("no 8-bit matrix products on this processor, or in this torch")
    code = "from spacy_elmo.inference.cpu import features; assert not features.has_int8()"
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=300)


@pytest.mark.parametrize("capability", ["DEFAULT", "NO AVX", "SVE256", "ZVECTOR"])
def test_other_processors(monkeypatch: pytest.MonkeyPatch, capability: str) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert not features.has_packed_linear()


def test_onednn_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    assert not features.has_packed_linear()


def test_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"avx512_f": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert not features.has_bf16()
    assert not features.has_int8()
    for question in QUESTIONS:
        question.cache_clear()
    found["avx512_bf16"] = True
    assert features.has_bf16()
    assert not features.has_int8()


def test_an_older_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert features.has_bf16()
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    features.has_bf16.cache_clear()
    assert not features.has_bf16()
