"""What type checkers see of the package from a user's folder: py.typed, names and types."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import spacy_elmo
from tests.data import ROOT

PROGRAMS = sorted((ROOT / "tests" / "typed_consumer").glob("*.py"))
MARK = re.compile(r"  # type: ignore\[([\w-]+)\]$", re.MULTILINE)


class Place(NamedTuple):
    """A line of a program, with an error of mypy's.

    file (str): Its name.
    line (int): The number of the line.
    code (str): The code of the error.
    """

    file: str
    line: int
    code: str


@pytest.fixture
def expected(tmp_path: Path) -> set[Place]:
    """The errors that checkers must find in a copy of the programs, where nothing is ignored."""
    found = set()
    for program in PROGRAMS:
        text = program.read_text("utf-8")
        (tmp_path / program.name).write_text(MARK.sub("", text), "utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            found |= {Place(program.name, number, mark[1]) for mark in MARK.finditer(line)}
    assert len(found) > 20
    return found


def check(command: list[str], folder: Path) -> str:
    # The package as an installed one: of its errors, if there are any, nothing is said.
    place = {"PYTHONPATH": str(Path(spacy_elmo.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **place, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    # Of both, status 1 says that there are errors in the programs.
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_marker_of_types() -> None:
    assert (Path(spacy_elmo.__file__).parent / "py.typed").is_file()


@pytest.mark.slow
@pytest.mark.needs("mypy")
def test_mypy(tmp_path: Path, expected: set[Place]) -> None:
    output = check(["mypy", "--strict", "--no-pretty", "--cache-dir=cache", "."], tmp_path)
    errors = re.findall(r"^(\S+?):(\d+): error: .*\[([\w-]+)\]$", output, re.MULTILINE)
    assert {Place(file, int(line), code) for file, line, code in errors} == expected, output
    assert output.count(": error:") == len(errors)


@pytest.mark.slow
@pytest.mark.needs("pyright")
def test_pyright(tmp_path: Path, expected: set[Place]) -> None:
    version = [sys.executable, "-m", "pyright", "--version"]
    done = subprocess.run(version, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        pytest.skip(f"pyright needs Node.js and its npm package, and cannot run here: {reason[0]}")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard"}', "utf-8")
    output = check(["pyright", "--pythonpath", sys.executable], tmp_path)
    errors = re.findall(r"^ *(?:\S*[/\\])?(\w+\.py):(\d+):\d+ - error: ", output, re.MULTILINE)
    assert {(file, int(line)) for file, line in errors} == {(place.file, place.line) for place in expected}, output
