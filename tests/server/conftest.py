from collections.abc import Iterator
from pathlib import Path

import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from tests.server.running import Gate, Running, run_server, serve_tiny


@pytest.fixture(scope="session")
def served(tiny: Path) -> Iterator[Running]:
    """A server of the small model."""
    with run_server(serve_tiny(spacy_elmo.load(tiny))) as running:
        yield running


@pytest.fixture
def gate(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(elmo, monkeypatch)
