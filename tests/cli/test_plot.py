"""Logs of training become pictures."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.training.loggers import console_logger_v3

from spacy_elmo.cli.plot import Curve, draw_curves, is_curve, make_curve, plot, shorten_names
from spacy_elmo.pretraining.log import read_log
from tests.cli.command import run

SCORES = {0: 0.0, 20: 0.61234, 40: 0.9, 60: 0.85}
PRETRAINING = {"batch": 1, "epoch": 0.1, "forward": 6.0, "backward": 6.5, "loss": 6.25, "learn_rate": 0.001}
TRAINING = {"epoch": 0, "step": 20, "losses": {"ner": 3.5}, "scores": {"ents_f": 51.0}, "score": 0.51}


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    return path


@pytest.mark.needs("matplotlib")
@pytest.mark.slow
def test_the_folder_of_a_run(tmp_path: Path) -> None:
    write(tmp_path / "log.jsonl", PRETRAINING)
    run("plot", tmp_path, "-o", tmp_path / "run.svg")
    assert (tmp_path / "run.svg").read_text("utf-8").startswith("<?xml")
    assert "EL026" in run("plot", tmp_path / "none", "-o", tmp_path / "run.svg", code=1).stderr


@pytest.mark.needs("matplotlib")
def test_logs_of_spacy(tmp_path: Path) -> None:
    one = write(tmp_path / "elmo" / "log.jsonl", TRAINING, {**TRAINING, "step": 40, "score": 0.6})
    other = write(tmp_path / "tok2vec.jsonl", TRAINING)
    # The folder of a run, and a file by whatever name.
    done = run("plot", one.parent, other, "-o", tmp_path / "curves.png")
    assert done.stderr == f"Wrote {tmp_path / 'curves.png'}\n"
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.needs("matplotlib")
def test_errors(tmp_path: Path) -> None:
    pretraining = write(tmp_path / "run" / "log.jsonl", PRETRAINING)
    training = write(tmp_path / "elmo.jsonl", TRAINING)
    other = write(tmp_path / "other.jsonl", {"text": "no log"})
    output = tmp_path / "run.png"
    with pytest.raises(ValueError, match=r"EL116.*run.log\.jsonl' is the log of a pre-training run"):
        plot([training, pretraining], output)
    with pytest.raises(ValueError, match=r"EL115.*other\.jsonl.*ConsoleLogger\.v3"):
        plot([training, other], output)
    (tmp_path / "words.txt").write_text("no\nlog\n")
    with pytest.raises(ValueError, match=r"EL115.*words\.txt"):
        plot([tmp_path / "words.txt"], output)
    with pytest.raises(ValueError, match="EL069"):
        plot([write(tmp_path / "empty.jsonl")], output)
    with pytest.raises(ValueError, match="EL060"):
        plot([training], tmp_path / "run.bmp")
    assert not output.exists()


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


def test_read_curve(tmp_path: Path) -> None:
    entries = write_log(tmp_path / "log.jsonl")
    assert is_curve(entries)
    assert make_curve("a", entries) == Curve("a", list(SCORES), list(SCORES.values()))


@pytest.mark.parametrize("entries", [[{"batch": 1, "loss": 2.0}], [{"step": 1}], [{"step": 1, "score": 0.5}, [1]]])
def test_other_logs(entries: list[Any]) -> None:
    assert not is_curve(entries)


@pytest.mark.needs("matplotlib")
def test_draw_curves(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    other = Curve("tok2vec", [0, 20], [0.1, 0.3])
    draw_curves(figure, [make_curve("elmo", write_log(tmp_path / "log.jsonl")), other])
    [axes] = figure.axes
    lines = [(np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()) for line in axes.lines]
    assert lines == [
        (list(SCORES), list(SCORES.values())), ([40], [0.9]), ([0, 20], [0.1, 0.3]), ([20], [0.3]),
    ]  # fmt: skip
    legend = axes.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["elmo: 0.9000 at step 40", "tok2vec: 0.3000 at step 20"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["run/ner_elmo/model-best", "run/ner_tok2vec/model-best"], ["ner_elmo", "ner_tok2vec"]),
        (["a/x/model-best", "b/y/model-last"], ["model-best", "model-last"]),
        (["en_core_web_sm", "run/ner/model-best"], ["en_core_web_sm", "model-best"]),
        (["a/x", "b/x", "a/y"], ["a/x", "b/x", "a/y"]),
        (["run/ner/model-best"], ["run/ner/model-best"]),
        (["a", "a"], ["a", "a"]),
        ([".", "a"], [".", "a"]),
        ([], []),
    ],
)
def test_names(paths: list[str], names: list[str]) -> None:
    assert shorten_names([Path(path) for path in paths]) == names


def test_names_of_files(tmp_path: Path) -> None:
    paths = [tmp_path / "ner.jsonl", tmp_path / "syntax.jsonl", tmp_path / "v1.5"]
    for path in paths[:2]:
        path.touch()
    assert shorten_names(paths) == ["ner", "syntax", "v1.5"]
