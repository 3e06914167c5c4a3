"""The command line as a user runs it."""

import subprocess
import sys
from typing import Any


def run(*arguments: Any, code: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "spacy_elmo", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done
