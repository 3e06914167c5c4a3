"""The benchmarks for GPUs, as far as a machine without one runs them."""

import json
from pathlib import Path

import pytest

from benchmarks.gpu import ceiling, pipe, pretraining
from benchmarks.model import lstm_flops
from tests.data import ROOT, TINY


def test_share_of_a_ceiling() -> None:
    assert ceiling.share(1000.0, 1000.0 * lstm_flops()) == 1.0


def test_pipe(tmp_path: Path) -> None:
    output = tmp_path / "pipe.json"
    pipe.main(
        output=output, source=TINY, path=ROOT / "assets" / "gettysburg.txt", precisions=["fp32"], device=None,
        least_tokens=300, batch_size=8, rounds=1,
    )  # fmt: skip
    runs = json.loads(output.read_text("utf-8"))["runs"]
    assert {(run["layers"], run["kind"]) for run in runs} == {
        (layers, kind) for layers in ("*", "tensor") for kind in ("sentences", "documents")
    }
    assert all(run["share of blank"] > 0 for run in runs)


def test_pretraining(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "pretraining.json"
    pretraining.main(output=output, device="cpu", batches=1, rows="4", steps=3, samples=50, words=500, sizes="sm")
    runs = json.loads(output.read_text("utf-8"))["runs"]
    assert [run["precision"] for run in runs] == ["fp32", "bf16"]
    assert all(run["tokens/s"] > 0 and run["TFLOP of a batch"]["lstm"] > 0 for run in runs)
