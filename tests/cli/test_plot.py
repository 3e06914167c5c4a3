import json
from pathlib import Path

import pytest

from tests.cli.command import run


def test_the_folder_of_a_run(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    entry = {"batch": 1, "epoch": 0.1, "forward": 6.0, "backward": 6.5, "loss": 6.25, "learn_rate": 0.001}
    (tmp_path / "log.jsonl").write_text(json.dumps(entry) + "\n", "utf-8")
    run("plot", tmp_path, "-o", tmp_path / "run.svg")
    assert (tmp_path / "run.svg").read_text("utf-8").startswith("<?xml")
    assert "EL026" in run("plot", tmp_path / "none", "-o", tmp_path / "run.svg", code=1).stderr
