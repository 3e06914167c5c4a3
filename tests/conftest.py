import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from tests.data import ROOT, TINY, Measured, shared_path

LINES = pytest.StashKey[List[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Takes a line of what a test has measured; all of them are shown after the run, passed or not."""
    return request.config.stash.setdefault(LINES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def parity() -> Path:
    return shared_path("parity")


@pytest.fixture(scope="session")
def tiny() -> Path:
    """A small model in the published format, with random weights; see scripts/make_tiny_model.py."""
    return TINY


@pytest.fixture(scope="session")
def tiny_options() -> Dict[str, Any]:
    return json.loads((TINY / "options.json").read_text("utf-8"))


@pytest.fixture
def elmo(tiny: Path) -> Elmo:
    return spacy_elmo.load(tiny)


@pytest.fixture(scope="session")
def text() -> Path:
    """Real text, a sentence a line."""
    return ROOT / "assets" / "gettysburg.txt"


@pytest.fixture(scope="session")
def sentences(text: Path) -> List[List[str]]:
    return [line.split() for line in text.read_text("utf-8").splitlines()]
