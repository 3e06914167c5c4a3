import json
import os
import shutil
import signal
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.build import build_bilm, build_parts
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference import factory
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.reference import ReferenceEngine
from spacy_elmo.inference.warm_state import make_state, read_default_sentences
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights
from tests import extras
from tests.data import ROOT, TINY, WAYS, Measured, shared_path

LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Takes a line of what a test has measured; all of them are shown after the run, passed or not."""
    return request.config.stash.setdefault(LINES, []).append


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="include the tests that take more than some seconds")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    extras.skip_if_left_out(item)


def pytest_configure(config: pytest.Config) -> None:
    # Where several processes share the work, each takes one processor, and so do those that it starts.
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"
    # In the background of a shell, interrupts are ignored, also by the processes that tests start and interrupt.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What the tests of a process have measured comes to the one that reports."""
    node.config.stash.setdefault(LINES, []).extend(getattr(node, "workeroutput", {}).get("measured", []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):
        session.config.workeroutput["measured"] = session.config.stash.get(LINES, [])  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(lines))
    yield
    # Below pytest's own summary, where it is seen.
    if left_out := extras.describe(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(left_out, yellow=True)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache of this run, never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACY_ELMO_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the network, but for servers of its own."""
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", "1")


@pytest.fixture(scope="session")
def parity() -> Path:
    return shared_path("parity")


@pytest.fixture(scope="session")
def tiny() -> Path:
    """A small model in the published format, with random weights; see scripts/make_tiny_model.py."""
    return TINY


@pytest.fixture(scope="session")
def warm_tiny(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, stored with the warm state that the package's sentences give."""
    weights = read_weights(tiny)
    state = make_state(weights, read_default_sentences())
    folder = tmp_path_factory.mktemp("warm")
    write_folder(folder, weights.options, {**weights.arrays, **state})
    return folder


@pytest.fixture(scope="session")
def tiny_options() -> dict[str, Any]:
    options: dict[str, Any] = json.loads((TINY / "options.json").read_text("utf-8"))
    return options


@pytest.fixture
def elmo(tiny: Path) -> Elmo:
    return spacy_elmo.load(tiny)


@pytest.fixture
def bilm(tiny: Path) -> BiLM:
    """The tiny model as a trainable module."""
    weights = read_weights(tiny)
    return build_bilm(weights.options, build_parts(weights.options, weights.arrays).bilm)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Forces each way to compute on the CPU, whatever suits this processor."""
    if request.param == "plain":
        monkeypatch.setattr(
            factory,
            "CpuEngine",
            lambda *, options, tensors, initial_state, **_: ReferenceEngine(
                bilm=build_bilm(options, tensors), initial_state=initial_state
            ),
        )
    elif request.param == "packed" and not features.has_packed_linear():
        pytest.skip("oneDNN's packed matrix products are not to be had on this processor, or in this torch")
    else:
        monkeypatch.setattr(features, "has_packed_linear", lambda: request.param == "packed")
    return str(request.param)


@pytest.fixture(scope="session")
def text() -> Path:
    """Real text, a sentence a line."""
    return ROOT / "assets" / "gettysburg.txt"


@pytest.fixture(scope="session")
def sentences(text: Path) -> list[list[str]]:
    return [line.split() for line in text.read_text("utf-8").splitlines()]


def find_java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") is not None or (home is not None and Path(home, "bin", "java").exists())


@pytest.fixture(scope="session")
def java() -> None:
    if find_java():
        return
    reason = "Spark needs Java 17, and none is found: install it, or set JAVA_HOME"
    if os.environ.get("SPACY_ELMO_REQUIRE_EXTRAS"):
        pytest.fail(reason)
    pytest.skip(reason)
