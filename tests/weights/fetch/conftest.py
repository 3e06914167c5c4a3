"""A server for each test, and a cache for it alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.fetch.server import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models in the cache."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"
