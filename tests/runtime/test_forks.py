import os
import subprocess
import sys

import pytest

from tests.data import ROOT
from tests.platforms import forks


@pytest.mark.slow
@forks
@pytest.mark.parametrize(
    ("case", "kind"), [("after_learning", "biLM"), ("after_learning", "mix"), ("while_a_thread_embeds", "12")]
)
def test_forked_processes(case: str, kind: str) -> None:
    """They hang in nothing, and give the parent's vectors, with as many threads as torch likes."""
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "tests.runtime.forking", case, kind]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.split() == ["done"], done.stderr
