"""SeqVec by name: its own options, and checksums as they were published."""

import hashlib
import shutil
from pathlib import Path

import pytest

from spacy_elmo.bilm.options import Options
from spacy_elmo.weights.catalogue import find
from spacy_elmo.weights.formats.dump import dump_shapes
from spacy_elmo.weights.source import read_weights
from tests.data import ROOT

OPTIONS = ROOT / "tests" / "seqvec" / "options.json"


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with SeqVec's options."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "mirror").as_uri())
    folder = tmp_path / "mirror" / "seqvec"
    folder.mkdir(parents=True)
    shutil.copy(OPTIONS, folder)
    return folder


def test_options() -> None:
    options, weights = find("seqvec").files
    assert hashlib.md5(OPTIONS.read_bytes()).hexdigest() == options.md5
    assert OPTIONS.stat().st_size == options.size
    read = Options.from_file(OPTIONS)
    assert (read.lstm.n_layers, read.lstm.dim, read.lstm.projection_dim) == (2, 4096, 512)
    # In float32; the rest of the published size is HDF5's.
    n_bytes = 4 * sum(_product(shape) for shape in dump_shapes(read).values())
    assert weights.size is not None
    assert 0 < weights.size - n_bytes < 100_000


def _product(shape: "tuple[int, ...]") -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def test_other_options(mirror: Path) -> None:
    """One other byte, which would still be options, is refused by the md5."""
    text = OPTIONS.read_bytes()
    (mirror / "options.json").write_bytes(text.replace(b'"dropout": 0.1', b'"dropout": 0.2'))
    with pytest.raises(ConnectionError, match=r"EL141.*options\.json(?s:.)*its md5 is .*, expected cede3551"):
        read_weights("seqvec")


def test_other_weights(mirror: Path, tiny: Path) -> None:
    shutil.copy(tiny / "weights.hdf5", mirror)
    with pytest.raises(ConnectionError, match=r"EL141.*weights\.hdf5(?s:.)*expected 374,434,776"):
        read_weights("seqvec")
