import json
import os
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo

ROOT = Path(__file__).parent.parent
TINY = Path(__file__).parent / "tiny"
# Golden outputs of other programs and free corpora: too large, or under licences of their own, to ship.
SHARED = Path(os.environ.get("SPACY_ELMO_SHARED", ROOT.parent / "shared"))


def shared_path(name: str) -> Path:
    """A file or folder of the shared goldens; skips the test where they are absent, and fails it in CI."""
    path = SHARED / name
    if not path.exists():
        reason = f"no {name} in {SHARED}: clone the goldens there, or point SPACY_ELMO_SHARED at them"
        if os.environ.get("SPACY_ELMO_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


LINES = pytest.StashKey[List[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
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
