"""Pipelines whose model is named by an address."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import spacy

from tests.weights.fetch.server import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def url(server: Server, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a zip of the tests' model, with a password and a token."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in ("options.json", "weights.hdf5"):
            file.write(tiny / name, f"model/{name}")
    server.put("models/tiny.zip", packed.getvalue())
    return f"http://user:s3cret@{server.url.removeprefix('http://')}/models/tiny.zip?token=t0ken"


def test_a_pipeline(url: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is downloaded once, on first use, and saved with the pipeline, which then needs neither."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": url})
    assert not server.seen
    expected = nlp("A bank by the river").tensor
    nlp.to_disk(tmp_path / "pipeline")
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", "1")
    assert np.array_equal(spacy.load(tmp_path / "pipeline")("A bank by the river").tensor, expected)
    assert server.paths() == ["models/tiny.zip"]


def test_saved_before_use(url: str, server: Server, tmp_path: Path) -> None:
    """Saving downloads nothing, and the warning keeps secrets."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": url})
    with pytest.warns(UserWarning, match=r"WL023.*would have to be downloaded first.*/models/tiny\.zip") as caught:
        nlp.to_disk(tmp_path / "pipeline")
    assert not [one for one in caught if "s3cret" in str(one.message) or "t0ken" in str(one.message)]
    assert not server.seen
    assert spacy.load(tmp_path / "pipeline")("A bank")._.elmo.elmo.shape == (2, 16)
