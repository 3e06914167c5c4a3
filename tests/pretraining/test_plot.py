"""The picture of a run shows its numbers."""

import json
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.pretraining import plot
from spacy_elmo.pretraining.plot import plot_run

ENTRIES: list[dict[str, Any]] = [
    {"batch": 10, "epoch": 0.1, "forward": 6.0, "backward": 6.5, "loss": 6.25, "learn_rate": 0.001},
    {"batch": 10, "epoch": 0.1, "dev_perplexity": 400.0},
    {"batch": 20, "epoch": 0.2, "forward": 5.0, "backward": 5.5, "loss": 5.25, "learn_rate": 0.002},
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in ENTRIES), "utf-8")
    return path


def test_series_are_those_of_the_log() -> None:
    assert plot._series(ENTRIES, "backward") == ([0.1, 0.2], [6.5, 5.5])
    assert plot._series(ENTRIES, "dev_perplexity") == ([0.1], [400.0])


@pytest.mark.parametrize(("ending", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_is_written(log: Path, tmp_path: Path, ending: str, begin: bytes) -> None:
    pytest.importorskip("matplotlib")
    output = tmp_path / f"run.{ending}"
    plot_run(log, output)
    assert output.read_bytes().startswith(begin)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.jsonl", output.name]


def test_errors(log: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="EL026"):
        plot_run(tmp_path / "none.jsonl", tmp_path / "run.png")
    with pytest.raises(ValueError, match=r"EL060.*\.png, \.svg, \.pdf"):
        plot_run(log, tmp_path / "run.bmp")
    log.write_text(json.dumps(ENTRIES[1]) + "\n", "utf-8")
    with pytest.raises(ValueError, match="EL069"):
        plot_run(log, tmp_path / "run.png")


def test_without_matplotlib(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        plot_run(log, tmp_path / "run.png")
