"""What holds for the command lines of all commands."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_elmo import cli
from spacy_elmo.cli.commands import app
from spacy_elmo.pretraining.config import SIZES
from tests.cli.command import run

COMMANDS = [command.name or "" for command in app.registered_commands]


@pytest.mark.parametrize(
    ("given", "usage", "missing"),
    [
        (["convert"], "SOURCE... FOLDER", "SOURCE"),
        (["convert", "a"], "SOURCE... FOLDER", "FOLDER"),
        (["export", "a"], "SOURCE... FOLDER", "FOLDER"),
        (["warm", "a", "-o", "b"], "SOURCE... TEXT", "TEXT"),
        (["perplexity", "a"], "SOURCE TEXT...", "TEXT"),
        (["substitutes"], "SOURCE TEXT...", "SOURCE"),
        (["init-config"], "[CONFIG] OUTPUT", "[CONFIG] OUTPUT"),
        (["embed", "a"], "INPUT...", "--output"),
    ],
)
def test_missing_argument(given: list[str], usage: str, missing: str) -> None:
    done = run(*given, code=2)
    lines = done.stderr.splitlines()
    assert lines[0].endswith(f"{given[0]} [OPTIONS] {usage}")
    assert f"'{missing}'" in lines[-1]
    assert done.stdout == ""


def test_help_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    summaries = run("-h").stdout.split("Commands:")[1]
    assert "..." not in summaries
    assert re.findall(r"^  (\S+) ", summaries, re.M) == COMMANDS == sorted(COMMANDS)


def test_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = run("embed", "--help").stdout
    for names in ("fp32|fp64|tf32|bf16|int8", "zero|warm|carry", "txt|jsonl|conllu|spacy|tokens"):
        assert names in text
    assert "|".join(SIZES) in run("init-pretrain", "-h").stdout


@pytest.mark.parametrize("command", ["embed", "warm", "perplexity", "substitutes", "demo", "pretrain"])
def test_threads_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        app([command, "--help"])
    assert "--n-threads" in capsys.readouterr().out
    files = [] if command == "demo" else ["a", "b", "-o", "c"]
    with pytest.raises(SystemExit) as end:
        app([command, *files, "--n-threads", "0"])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("words", "completed"),
    [("spacy-elmo em", ["embed"]), ("spacy-elmo embed --precision b", ["bf16"])],
)
def test_completion(words: str, completed: list[str]) -> None:
    place = str(len(words.split()) - 1)
    variables = {"_SPACY_ELMO_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
    program = Path(sys.executable).with_name("spacy-elmo")
    done = subprocess.run([program], env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == completed


@pytest.mark.parametrize(
    "given",
    [
        ["embed", "", "-o", "o.h5"],
        ["embed", "a.txt", "-o", ""],
        ["convert", "en_sm", ""],
        ["pretrain", "", "-o", "run"],
        ["init-config", "", "o.cfg"],
        ["mix", ""],
    ],
)
def test_no_name_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    assert "is empty" in run(*given, code=2).stderr
    assert os.listdir(tmp_path) == ["a.txt"]


def test_warnings_are_text(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b\x1b[31m.bin").write_text("")
    options: list[str | Path] = [tmp_path, "-s", tiny, "-qo", tmp_path / "o.h5"]
    command = [sys.executable, "-m", "spacy_elmo", "embed", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert line.startswith("spacy-elmo: warning: [WL035]")
    assert "b\\x1b[31m.bin" in line


def test_closed_standard_error() -> None:
    command = f"{sys.executable} -m spacy_elmo nosuch 2>&-"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 2


@pytest.mark.parametrize(
    ("system", "encoding", "expected"),
    [("win32", None, "\u4e2d\n".encode()), ("win32", "cp936", b"?\n"), ("linux", None, b"?\n")],
)
def test_windows_pipes_get_utf8(
    monkeypatch: pytest.MonkeyPatch, system: str, encoding: str | None, expected: bytes
) -> None:
    """A redirected output holds any word there, too, and the line ends of the files that commands write."""
    written = io.BytesIO()
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    if encoding is not None:
        monkeypatch.setenv("PYTHONIOENCODING", encoding)
    stdout = io.TextIOWrapper(written, encoding="cp1252", errors="replace", newline="\n")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", system)
        patch.setattr(sys, "stdout", stdout)
        cli._write_utf8()
        print("\u4e2d", flush=True)
    assert written.getvalue() == expected
