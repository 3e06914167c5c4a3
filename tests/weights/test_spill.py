import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.weights.source import read_weights
from spacy_elmo.weights.spill import _is_mapped, spill


def test_arrays_go_into_a_file(tiny: Path) -> None:
    arrays = read_weights(tiny).arrays
    aside = spill(arrays)
    assert not any(_is_mapped(array) for array in arrays.values())
    assert aside.keys() == arrays.keys()
    for name, array in aside.items():
        assert _is_mapped(array)
        assert array.flags.aligned
        assert array.dtype == arrays[name].dtype
        np.testing.assert_array_equal(array, arrays[name])


def test_mapped_arrays(elmo: Elmo, tmp_path: Path) -> None:
    elmo.save(tmp_path)
    arrays = read_weights(tmp_path).arrays
    assert all(spill(arrays)[name] is array for name, array in arrays.items())


def test_full_disk(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **settings: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    arrays = read_weights(tiny).arrays
    assert all(spill(arrays)[name] is array for name, array in arrays.items())


def save(source: Path, folder: Path) -> Path:
    spacy_elmo.load(source).save(folder)
    return folder / "weights.safetensors"


@pytest.mark.parametrize("change", ["overwritten", "cut"])
def test_file_changed_while_mapped(tiny: Path, tmp_path: Path, change: str) -> None:
    """Otherwise the process would use wrong numbers, or be killed by reading beyond the end."""
    path = save(tiny, tmp_path / "model")
    aside = spill(read_weights(tmp_path / "model").arrays)
    assert set(aside) == set(aside.keys())
    with path.open("r+b") as file:
        if change == "cut":
            file.truncate(100)
        else:
            file.seek(-64, 2)
            file.write(bytes(64))
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    with pytest.raises(ValueError, match=r"EL260.*weights.safetensors' was changed after the model was loaded"):
        dict(aside)


def test_replaced_file(tiny: Path, tmp_path: Path) -> None:
    path = save(tiny, tmp_path / "model")
    arrays = read_weights(tmp_path / "model").arrays
    expected = {name: np.array(array) for name, array in arrays.items()}
    aside = spill(arrays)
    (tmp_path / "new").write_bytes(bytes(path.stat().st_size))
    os.replace(tmp_path / "new", path)
    for name, array in aside.items():
        np.testing.assert_array_equal(array, expected[name])
    path.unlink()
    assert len(dict(aside)) == len(expected)
