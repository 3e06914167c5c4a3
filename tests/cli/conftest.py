import gzip
from pathlib import Path

import pytest


@pytest.fixture
def corpus(tmp_path: Path, text: Path) -> Path:
    """Three files: the first part of a text, the second, and all."""
    lines = text.read_text("utf-8").splitlines(keepends=True)
    folder = tmp_path / "corpus"
    (folder / "news").mkdir(parents=True)
    (folder / "a.txt").write_text("".join(lines[:4]), "utf-8")
    (folder / "news" / "b.txt").write_text("".join(lines[4:]), "utf-8")
    (folder / "news" / "c.txt.gz").write_bytes(gzip.compress("".join(lines).encode()))
    return folder
