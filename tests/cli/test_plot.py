import json
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.cli.plot import plot
from tests.cli.command import run

pytestmark = pytest.mark.needs("matplotlib")

PRETRAINING = {"batch": 1, "epoch": 0.1, "forward": 6.0, "backward": 6.5, "loss": 6.25, "learn_rate": 0.001}
TRAINING = {"epoch": 0, "step": 20, "losses": {"ner": 3.5}, "scores": {"ents_f": 51.0}, "score": 0.51}


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    return path


@pytest.mark.slow
def test_the_folder_of_a_run(tmp_path: Path) -> None:
    write(tmp_path / "log.jsonl", PRETRAINING)
    run("plot", tmp_path, "-o", tmp_path / "run.svg")
    assert (tmp_path / "run.svg").read_text("utf-8").startswith("<?xml")
    assert "EL026" in run("plot", tmp_path / "none", "-o", tmp_path / "run.svg", code=1).stderr


def test_logs_of_spacy(tmp_path: Path) -> None:
    one = write(tmp_path / "elmo" / "log.jsonl", TRAINING, {**TRAINING, "step": 40, "score": 0.6})
    other = write(tmp_path / "tok2vec.jsonl", TRAINING)
    # The folder of a run, and a file by whatever name.
    done = run("plot", one.parent, other, "-o", tmp_path / "curves.png")
    assert done.stderr == f"Wrote {tmp_path / 'curves.png'}\n"
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_errors(tmp_path: Path) -> None:
    pretraining = write(tmp_path / "run" / "log.jsonl", PRETRAINING)
    training = write(tmp_path / "elmo.jsonl", TRAINING)
    other = write(tmp_path / "other.jsonl", {"text": "no log"})
    output = tmp_path / "run.png"
    with pytest.raises(ValueError, match=r"EL116.*run.log\.jsonl' is the log of a pre-training run"):
        plot([training, pretraining], output)
    with pytest.raises(ValueError, match=r"EL115.*other\.jsonl.*ConsoleLogger\.v3"):
        plot([training, other], output)
    with pytest.raises(ValueError, match="EL069"):
        plot([write(tmp_path / "empty.jsonl")], output)
    with pytest.raises(ValueError, match="EL060"):
        plot([training], tmp_path / "run.bmp")
    assert not output.exists()
