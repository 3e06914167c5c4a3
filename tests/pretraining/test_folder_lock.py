"""One run at a time in a folder."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from confection import Config

from spacy_elmo.cli.pretrain import pretrain
from spacy_elmo.pretraining.folder_lock import LOCK_NAME, lock_folder
from tests.pretraining.runs import sections


def test_a_second_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    Config(sections(tmp_path, training__max_batches=2)).to_disk(tmp_path / "pretrain.cfg")
    config = tmp_path / "pretrain.cfg"
    with lock_folder(tmp_path / "run"), pytest.raises(BlockingIOError, match=r"EL273.*another output folder"):
        pretrain(config, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK_NAME]
    assert pretrain(config, tmp_path / "run")
    torch.set_flush_denormal(False)


def test_a_killed_run_frees_the_folder(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from spacy_elmo.pretraining.folder_lock import lock_folder\n"
        "with lock_folder(Path(sys.argv[1])): print('locked', flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "locked\n"
    with lock_folder(tmp_path):
        pass


def test_other_processes_of_the_run_do_not_wait_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lock_folder(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with lock_folder(tmp_path):
            pass
