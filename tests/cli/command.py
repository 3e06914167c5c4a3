"""The command line as a user runs it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacy_elmo.cli.embed import embed as embed_with_settings
from spacy_elmo.cli.embedding.embed_settings import EmbedSettings
from spacy_elmo.cli.embedding.embedder import Report, Summary
from spacy_elmo.inputs.paths import Given
from spacy_elmo.weights.source import Source


def run(*arguments: Any, code: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "spacy_elmo", *map(str, arguments)]
    # On Windows, errors are not in UTF-8.
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="backslashreplace", timeout=300, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def embed(
    given: Given | Sequence[Given],
    source: Source,
    output: Path,
    *,
    force: bool = True,
    report: Report = lambda done, n_tokens: None,
    **settings: Any,
) -> Summary:
    """What `spacy-elmo embed` does, in this process."""
    return embed_with_settings(given, output, EmbedSettings(source=source, **settings), force=force, report=report)
