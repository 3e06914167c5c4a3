from pathlib import Path

import pytest
import torch

import spacy_elmo
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.cpu.engine import CpuEngine
from spacy_elmo.inference.cpu.linear import (
    PackedBF16Linear,
    PackedFineLinear,
    TorchBF16Linear,
    TorchLinear,
    UInt8Linear,
)
from spacy_elmo.inference.factory import PRECISIONS, check_precision, choose_encoder_linear, choose_lstm_linear
from spacy_elmo.inference.reference import ReferenceEngine
from spacy_elmo.inference.settings import PRECISION_NAMES, PrecisionName

CPU = torch.device("cpu")


def test_every_precision_has_properties() -> None:
    assert tuple(PRECISIONS) == PRECISION_NAMES


def test_engines(tiny: Path) -> None:
    assert isinstance(spacy_elmo.load(tiny).engine, CpuEngine)
    assert isinstance(spacy_elmo.load(tiny, precision="fp64").engine, ReferenceEngine)


def test_linears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "has_packed_linear", lambda: False)
    assert choose_encoder_linear() is choose_lstm_linear("fp32") is TorchLinear
    assert choose_lstm_linear("bf16") is TorchBF16Linear
    monkeypatch.setattr(features, "has_packed_linear", lambda: True)
    assert choose_encoder_linear() is PackedFineLinear
    assert choose_lstm_linear("bf16") is PackedBF16Linear
    monkeypatch.setattr(features, "choose_int8_linear", lambda: UInt8Linear)
    assert choose_lstm_linear("int8") is UInt8Linear
    with pytest.raises(KeyError, match="fp16"):
        choose_lstm_linear("fp16")


@pytest.mark.parametrize(("precision", "what"), [("bf16", "bfloat16"), ("int8", "8-bit integers")])
def test_a_processor_that_cannot(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, precision: PrecisionName, what: str
) -> None:
    monkeypatch.setattr(features, f"has_{precision}", lambda: False)
    with pytest.raises(
        ValueError,
        match=rf"EL042.*'{precision}' is not supported .* requires a processor that multiplies {what}.*'fp32'",
    ):
        spacy_elmo.load(tiny, precision=precision)
    with pytest.raises(ValueError, match="EL042"):
        spacy_elmo.load("nowhere", precision=precision)


def test_precisions_of_other_devices() -> None:
    with pytest.raises(
        ValueError, match=r"EL041.*'int8' is only supported on devices of type cpu; got device = 'cuda'"
    ):
        check_precision("int8", torch.device("cuda"))
    with pytest.raises(
        ValueError, match=r"EL041.*'tf32' is only supported on devices of type cuda; got device = 'cpu'"
    ):
        check_precision("tf32", CPU)
    for precision in ("fp32", "fp64"):
        check_precision(precision, torch.device("cuda"))
        check_precision(precision, CPU)
    assert [name for name, precision in PRECISIONS.items() if precision.exact] == ["fp32", "fp64", "tf32"]
