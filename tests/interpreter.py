"""Triton's interpreter, in which kernels run on the CPU. Triton decides for it when it is imported: hence a
process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.data import ROOT

_SETTING = {"TRITON_INTERPRET": "1"}


def require_interpreter() -> None:
    """For modules of cases: they are not collected, and are run by `run_cases` alone."""
    assert _SETTING.items() <= os.environ.items(), "run this by the test beside it"


def run_cases(cases: Path) -> None:
    """Run a module of test cases in the interpreter; all must pass, none may skip."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)],
        cwd=ROOT,
        env={**os.environ, **_SETTING},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
