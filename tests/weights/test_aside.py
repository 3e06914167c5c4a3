import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.weights.aside import _is_mapped, set_aside
from spacy_elmo.weights.source import read_weights


def test_arrays_go_into_a_file(tiny: Path) -> None:
    arrays = read_weights(tiny).arrays
    aside = set_aside(arrays)
    assert not any(_is_mapped(array) for array in arrays.values())
    assert aside.keys() == arrays.keys()
    for name, array in aside.items():
        assert _is_mapped(array)
        assert array.flags.aligned
        assert array.dtype == arrays[name].dtype
        np.testing.assert_array_equal(array, arrays[name])


def test_mapped_arrays_stay_where_they_are(elmo: Elmo, tmp_path: Path) -> None:
    elmo.save(tmp_path)
    arrays = read_weights(tmp_path).arrays
    assert all(set_aside(arrays)[name] is array for name, array in arrays.items())


def test_without_room_for_a_file_they_stay_in_memory(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **settings: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    arrays = read_weights(tiny).arrays
    assert all(set_aside(arrays)[name] is array for name, array in arrays.items())
