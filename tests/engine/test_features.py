"""Which ways there are is asked in one place; other processors and other versions of torch are played here."""

import time
from typing import Any, Iterator

import pytest
import torch

from spacy_elmo.engine import features

QUESTIONS = [features.has_packed_linear, features.has_bf16, features.has_int8]


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    for question in QUESTIONS:
        question.cache_clear()
    yield
    for question in QUESTIONS:
        question.cache_clear()


class NoOperators:
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no operator {name}")


def test_a_torch_without_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", NoOperators())
    monkeypatch.setattr(torch.ops, "onednn", NoOperators())
    assert not features.has_packed_linear()
    assert not features.has_int8()


def test_operators_that_compute_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_packed_linear", lambda x, weight: x @ weight.t() + 1)
    monkeypatch.setattr(features, "_int8_linear", lambda x, weight: (x @ weight.t())[:2])
    assert not features.has_packed_linear()
    assert not features.has_int8()


@pytest.mark.parametrize("error", [RuntimeError, TypeError, NotImplementedError])
def test_operators_that_fail(monkeypatch: pytest.MonkeyPatch, error: Any) -> None:
    def fail(*args: Any) -> torch.Tensor:
        raise error("illegal instruction, in kind")

    monkeypatch.setattr(features, "_packed_linear", fail)
    monkeypatch.setattr(features, "_int8_linear", fail)
    assert not features.has_packed_linear()
    assert not features.has_int8()


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, True), (0.05, False)])
def test_integers_that_are_multiplied_slowly(
    seconds: float, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def multiply(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        time.sleep(seconds)
        return x @ weight.t()

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True}, raising=False)
    monkeypatch.setattr(features, "_int8_linear", multiply)
    before = torch.get_num_threads()
    assert features.has_int8() is expected
    assert torch.get_num_threads() == before


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
    _ = [question.cache_clear() for question in QUESTIONS]
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
