import os
import subprocess
import sys
from pathlib import Path

import pytest

from spacy_elmo.kernels import has_triton
from tests.data import ROOT


def test_kernels_in_the_interpreter() -> None:
    if not has_triton():
        pytest.skip("Triton is not installed: it comes with PyTorch for GPUs")
    cases = Path(__file__).with_name("interpreted.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
