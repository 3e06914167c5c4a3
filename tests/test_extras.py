"""What a run leaves out, and says."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.data import ROOT
from tests.extras import EXTRAS, HAS_WHEELS, describe

TESTS = """
import importlib.util
import pytest
from tests import extras

extras.is_installed = lambda name: False

def test_quick(): pass

@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("n", range(3))
def test_formats(n): pass

@pytest.mark.needs("triton")
def test_kernels(): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.slow
@pytest.mark.needs("triton")
def test_slow_kernels(): pass
"""
INSTALL = 'pip install -c constraints.txt ".[tests-heavy]"'


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    path = tmp_path / "test_some.py"
    path.write_text(TESTS, "utf-8")
    return path


def run(tests: Path, *options: str, **environment: str) -> list[str]:
    """The last lines of a run."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q"]
    clean = {name: value for name, value in os.environ.items() if name != "SPACY_ELMO_REQUIRE_EXTRAS"}
    done = subprocess.run(
        [*command, f"--config-file={ROOT / 'pyproject.toml'}", *options, str(tests)],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("options", [[], pytest.param(["-n", "2"], marks=pytest.mark.slow)], ids=str)
def test_one_line_at_the_end(tests: Path, options: list[str]) -> None:
    *_, line, end = run(tests, *options)
    needs = f"3 tests for want of tensorflow, 1 test for want of triton ({INSTALL})"
    assert line == f"Left out: 2 tests as slow (include them by --slow); {needs}."
    assert end.startswith("1 passed, 6 skipped")


def test_slow_ones_included(tests: Path) -> None:
    *_, line, end = run(tests, "--slow")
    assert line == f"Left out: 3 tests for want of tensorflow, 2 tests for want of triton ({INSTALL})."
    assert end.startswith("2 passed, 5 skipped")


def test_nothing_left_out() -> None:
    assert describe([]) is None


def test_required_extras(tests: Path) -> None:
    """As in CI: what is not installed, and could be, fails the run."""
    lines = run(tests, "--slow", "-m", "needs or slow", SPACY_ELMO_REQUIRE_EXTRAS="1")
    n_failed = 3 * HAS_WHEELS["tensorflow"] + 2 * HAS_WHEELS["triton"]
    failed = [line for line in lines if " is not installed; the extra tests-heavy brings it" in line]
    assert len([line for line in failed if line.startswith("E ")]) == n_failed
    assert lines[-1].startswith("1 passed, 1 deselected, 5 errors" if n_failed == 5 else "1 passed")


def test_extras_bring_their_packages() -> None:
    if not (ROOT / "setup.cfg").is_file():
        pytest.skip("an installed package, without its source tree")
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for name, extra in EXTRAS.items():
        found = [Requirement(line) for line in config["options.extras_require"][extra].split("\n") if line]
        here = [one for one in found if one.name.removesuffix("-cpu") == name]
        assert here, name
        assert any(one.marker is None or one.marker.evaluate() for one in here) == HAS_WHEELS[name]
