import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spacy_elmo.cli import format_error
from spacy_elmo.cli.export import export
from spacy_elmo.weights.source import read_weights
from tests.cli.command import run
from tests.language_models import full_softmax, write_source


@pytest.mark.parametrize(
    ("output", "words"),
    [("-", ["EL222", "HDF5"]), ("o.npz", ["EL223", "'.npz'", ".h5, .hdf5"]), ("o.h5", ["EL068", "--force"])],
)
def test_outputs_of_embed(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, words: list
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("text")
    Path("o.h5").write_text("old")
    done = run("embed", "a.txt", "-s", tiny, "-o", output, code=1)
    assert all(word in done.stderr for word in words), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert Path("o.h5").read_text() == "old"
    assert sorted(os.listdir(".")) == ["a.txt", "o.h5"]


@pytest.mark.slow
def test_force(tiny: Path, tmp_path: Path) -> None:
    run("convert", tiny, tmp_path / "m")
    before = (tmp_path / "m/weights.safetensors").read_bytes()
    for command in ("convert", "export"):
        assert "EL224" in run(command, tiny, tmp_path / "m", "--dtype", "float16", code=1).stderr
    assert (tmp_path / "m/weights.safetensors").read_bytes() == before
    run("convert", tiny, tmp_path / "m", "--dtype", "float16", "--force")
    assert (tmp_path / "m/weights.safetensors").stat().st_size < len(before)
    assert "parameters in float16 to" in run("export", tmp_path / "m", tmp_path / "exported").stderr
    export(tmp_path / "m", tmp_path / "again", dtype=None)
    for name in ("again", "exported"):
        arrays = read_weights(tmp_path / name).arrays
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}


def test_closed_outputs() -> None:
    command = f"{sys.executable} -W error -m spacy_elmo models"
    for shell, code, lines in ((f"{command} >&-", 1, 1), (f"{command} | true; exit ${{PIPESTATUS[0]}}", None, 0)):
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
        assert code is None or done.returncode == code
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == lines, done.stderr


def test_messages_are_text() -> None:
    assert format_error(ValueError("a\x1b[31mb\nc")) == "a\\x1b[31mb\nc"
    assert format_error(PermissionError(13, "Permission denied", "f")).startswith("[EL225] Permission denied: 'f'")


def test_short_help() -> None:
    assert "zero|warm|carry" in run("embed", "-h").stdout


@pytest.mark.slow
def test_texts_go_to_standard_output(tmp_path: Path) -> None:
    model = write_source(tmp_path / "model", full_softmax())
    (tmp_path / "a.txt").write_text("that nation\nIt can\x1b[31m\n")
    records = run("perplexity", model, tmp_path / "a.txt", "-qo", "-")
    assert [json.loads(line)["sentence"] for line in records.stdout.splitlines()] == [0] * 4 + [1] * 4
    assert "perplexity" in records.stderr
    words = run("substitutes", model, tmp_path / "a.txt", "-n", 1, "-o", "-").stdout.splitlines()
    assert [json.loads(line)["token"] for line in words] == ["that", "nation", "It", "can\x1b[31m"]
    assert "can\\x1b[31m\n" in run("substitutes", model, tmp_path / "a.txt", "-n", 1).stdout
    vocab = run("vocab", tmp_path / "a.txt", "--format", "tokens", "-o", "-").stdout
    assert vocab.splitlines()[:4] == ["<S>", "</S>", "<UNK>", "that"]
    for command in (
        ["convert", model, "-"], ["export", model, "-"], ["warm", model, tmp_path / "a.txt", "-o", "-"],
        ["pretrain", tmp_path / "c.cfg", "-o", "-"],
    ):  # fmt: skip
        refused = run(*command, code=1).stderr
        assert "[EL222] '-' stands for standard output, but a folder is written. Give a path" in refused
