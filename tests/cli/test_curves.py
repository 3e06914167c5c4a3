"""Curves of `spacy train`, from what spaCy's own logger writes."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.training.loggers import console_logger_v3

from spacy_elmo.cli.curves import Curve, curve_of, draw_curves, is_curve, plot_curves
from spacy_elmo.pretraining.log import read_log

SCORES = {0: 0.0, 20: 0.61234, 40: 0.9, 60: 0.85}


def write_log(path: Path, scores: dict[int, float] = SCORES) -> list[dict[str, Any]]:
    """The log of a run with these evaluations."""
    nlp = spacy.blank("en")
    nlp.config["training"]["score_weights"] = {"cats_score": 1.0}
    step, finish = console_logger_v3(console_output=False, output_file=path)(nlp, io.StringIO(), io.StringIO())
    for number, score in scores.items():
        step({"epoch": 0, "step": number, "losses": {}, "other_scores": {"cats_score": score}, "score": score})
        step(None)
    finish()
    return read_log(path)


def test_what_spacy_writes_is_read(tmp_path: Path) -> None:
    entries = write_log(tmp_path / "log.jsonl")
    assert is_curve(entries)
    assert curve_of("a", entries) == Curve("a", list(SCORES), list(SCORES.values()))


@pytest.mark.parametrize("entries", [[{"batch": 1, "loss": 2.0}], [{"step": 1}], [{"step": 1, "score": 0.5}, [1]]])
def test_other_logs(entries: list[Any]) -> None:
    assert not is_curve(entries)


@pytest.mark.needs("matplotlib")
def test_a_line_a_run_and_its_best(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    other = Curve("tok2vec", [0, 20], [0.1, 0.3])
    draw_curves(figure, [curve_of("elmo", write_log(tmp_path / "log.jsonl")), other])
    [axes] = figure.axes
    lines = [(np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()) for line in axes.lines]
    assert lines == [
        (list(SCORES), list(SCORES.values())), ([40], [0.9]), ([0, 20], [0.1, 0.3]), ([20], [0.3]),
    ]  # fmt: skip
    legend = axes.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["elmo: 0.9000 at step 40", "tok2vec: 0.3000 at step 20"]


@pytest.mark.needs("matplotlib")
def test_a_picture_is_written(tmp_path: Path) -> None:
    plot_curves([Curve("a", [0], [0.5])], tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text("utf-8").startswith("<?xml")
