import os
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from spacy_elmo.inference.warm_state import get_state_path, read_state, write_state
from spacy_elmo.util.files import cache_folder
from spacy_elmo.weights.arrays import Arrays, Weights, warm_state_shapes
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights


@pytest.fixture
def weights(tiny: Path) -> Weights:
    return read_weights(tiny)


@pytest.fixture
def state(weights: Weights) -> Arrays:
    random = np.random.default_rng(1)
    shapes = warm_state_shapes(weights.options)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert cache_folder() == cache
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name: str(tmp_path / name))
    for set_so in (
        lambda: monkeypatch.setenv("SPACY_ELMO_CACHE", ""),
        lambda: monkeypatch.delenv("SPACY_ELMO_CACHE"),
    ):
        set_so()
        assert cache_folder() == tmp_path / "spacy_elmo"


def test_one_path_for_what_gives_one_state(weights: Weights, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("a b\n")

    def path(recipe: str = "1") -> Path:
        return get_state_path(weights, text=text, recipe=recipe)

    first = path()
    # Where the weights are read from and what else is stored with them is all the same.
    weights.arrays.update(
        {"scalar_mix.gamma": np.array(2, np.float32), "scalar_mix.weights": np.ones(3, np.float32)}
    )
    write_folder(tmp_path / "copy", weights.options, weights.arrays)
    assert path() == first == get_state_path(read_weights(tmp_path / "copy"), text=text, recipe="1")
    paths = {first, path("2")}
    bias = weights.arrays["forward_stack.layers.1.input_linear.bias"]
    bias[3] *= 2
    paths.add(path())
    bias[3] /= 2
    assert path() == first
    text.write_text("a c\n")
    paths.add(path())
    assert len(paths) == 4


def test_round_trip(weights: Weights, state: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "state.npz"
    assert read_state(path, weights.options) is None
    write_state(path, state, source="model")
    got = read_state(path, weights.options)
    assert got is not None
    assert list(got) == list(state)
    for name, array in state.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == np.float32
    assert os.listdir(path.parent) == ["state.npz"]


def test_damage_is_seen(weights: Weights, state: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    write_state(path, state, source="model")
    data = path.read_bytes()
    seen = 0
    for place in range(0, len(data), 11):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        got = read_state(path, weights.options)
        seen += got is None
        # What is not seen has done no harm: dates and the like.
        assert got is None or all((got[name] == state[name]).all() for name in state)
    assert seen > len(data) // 11 // 2
    for broken in (b"", b"PK", data[:-1], data[:200], np.arange(3).tobytes(), b"\x93NUMPY"):
        path.write_bytes(broken)
        assert read_state(path, weights.options) is None
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert read_state(path, weights.options) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {name: array[:1] for name, array in state.items()},
        lambda state: {name: array.astype(np.float64) for name, array in state.items()},
        lambda state: {"initial_state.hidden": state["initial_state.hidden"]},
        lambda state: {name: array.astype(object) for name, array in state.items()},
    ],
)
def test_another_state_is_none(weights: Weights, state: Arrays, tmp_path: Path, change: object) -> None:
    write_state(tmp_path / "state.npz", change(state), source="model")  # type: ignore[operator]
    assert read_state(tmp_path / "state.npz", weights.options) is None


def test_a_folder_that_cannot_be_written(state: Arrays, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match=r"WL005.*state of 'mine'.*SPACY_ELMO_CACHE.*spacy-elmo warm") as caught:
        write_state(tmp_path / "file" / "state.npz", state, source="mine")
    assert len(caught) == 1
    assert (tmp_path / "file").read_text() == "in the way"
