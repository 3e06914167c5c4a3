"""Tests that a quick run leaves out: those marked `slow`, and those whose packages are not installed.

A test names a package, `@pytest.mark.needs("triton")`; the extra that brings it stands here. conftest.py skips the
test and says so at the end of the run.
"""

import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec

import pytest

# Packages that tests may name, and the extra of setup.cfg that brings them.
EXTRAS = {
    "matplotlib": "tests",
    "pandas": "tests",
    "pyarrow": "tests",
    "duckdb": "tests-heavy",
    "huggingface_hub": "tests-heavy",
    "html5lib": "tests",
    "mypy": "dev",
    "pyright": "dev",
    "starlette": "tests",
    "playwright": "tests-browser",
    "flair": "tests-flair",
    # Reads docstrings for the documentation site.
    "mkdocstrings": "docs",
    "polars": "tests-heavy",
    "pyspark": "tests-spark",
    "tensorflow": "tests-heavy",
    "triton": "tests-heavy",
}
# As setup.cfg says: not every Python and every system has them.
HAS_WHEELS = {
    **dict.fromkeys(EXTRAS, True),
    "tensorflow": sys.version_info < (3, 14),
    "triton": (platform.system(), platform.machine()) == ("Linux", "x86_64"),
}
# A property of a test's report: why it was left out.
LEFT_OUT = "left out"
SLOW = "slow"


def skip_if_left_out(item: pytest.Item) -> None:
    """Skip a test that is slow, or needs a package that is not installed.

    item (pytest.Item): The test. Its report gets the reason.
    RAISES (pytest.fail.Exception): Where SPACY_ELMO_REQUIRE_EXTRAS is set and the package could be installed.
    """
    if item.get_closest_marker("slow") and not item.config.getoption("--slow"):
        item.user_properties.append((LEFT_OUT, SLOW))
        pytest.skip("slow; include it by --slow")
    for name in [name for mark in item.iter_markers("needs") for name in mark.args]:
        if is_installed(name):
            continue
        if os.environ.get("SPACY_ELMO_REQUIRE_EXTRAS") and HAS_WHEELS[name]:
            pytest.fail(f"{name} is not installed; the extra {EXTRAS[name]} brings it")
        item.user_properties.append((LEFT_OUT, name))
        pytest.skip(f"{name} is not installed")


@cache
def is_installed(name: str) -> bool:
    return find_spec(name) is not None


def describe(reports: Iterable[pytest.TestReport]) -> str | None:
    """Say in one line what a run has left out, and how to include it.

    reports (Iterable[pytest.TestReport]): Of the tests that were skipped.
    RETURNS (str | None): The line; None if nothing was left out.
    """
    counts = Counter(reason for report in reports for name, reason in report.user_properties if name == LEFT_OUT)
    parts = []
    if n_slow := counts.pop(SLOW, 0):
        parts.append(f"{_tests(n_slow)} as slow (include them by --slow)")
    if counts:
        needs = ", ".join(f"{_tests(count)} for want of {name}" for name, count in sorted(counts.items()))
        extras = ",".join(sorted({EXTRAS[str(name)] for name in counts}))
        parts.append(f'{needs} (pip install -c constraints.txt ".[{extras}]")')
    return f"Left out: {'; '.join(parts)}." if parts else None


def _tests(n: int) -> str:
    return f"{n} test" if n == 1 else f"{n} tests"
