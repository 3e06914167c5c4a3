"""Files in the published format, written."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.bilm.options import Options
from spacy_elmo.weights.arrays import Arrays
from spacy_elmo.weights.formats.hdf5 import inference_options, write_hdf5, write_pair
from spacy_elmo.weights.source import read_weights
from tests.data import TINY, Measured, shared_path
from tests.parity.cases import CASES

FIXTURES = ["allennlp_fixture", "bilm_tf_fixture"]
SENTENCES = [["The", "quick", "brown", "fox"], ["Zoë", "x" * 60, "</S>"], ["one"]]


def files(name: str) -> Any:
    """Options and weights of a published pair."""
    if name == "tiny":
        return [TINY / "options.json", TINY / "weights.hdf5"]
    folder = shared_path("parity") / name
    return [folder / "options.json", folder / ("lm_weights.hdf5" if name in FIXTURES else "weights.hdf5")]


def datasets(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, x: found.__setitem__(name, x[()]) if isinstance(x, h5py.Dataset) else None)
    return found


def assert_same(one: Arrays, two: Arrays) -> None:
    assert one.keys() == two.keys()
    for name, array in one.items():
        assert array.dtype == two[name].dtype, name
        np.testing.assert_array_equal(array, two[name], err_msg=name)


@pytest.mark.parametrize("name", ["tiny", *CASES, *FIXTURES])
def test_rewrites_published_file(name: str, tmp_path: Path, measured: Measured) -> None:
    """A file of bilm-tf, read and written again, has the same datasets, except the lowest bits of the forget
    gate's bias, which the reader's addition of the 1 loses."""
    source = files(name)
    weights = read_weights(source)
    write_pair(tmp_path, weights.options, weights.arrays)
    before, after = datasets(source[1]), datasets(tmp_path / "weights.hdf5")
    assert before.keys() == after.keys()
    cells, worst = weights.options.lstm.dim, 0.0
    for dataset, expected in before.items():
        got = after[dataset]
        assert (got.dtype, got.shape) == (np.float32, expected.shape)
        if dataset.endswith("/B"):
            forget = slice(2 * cells, 3 * cells)
            lost = np.abs(got[forget].astype(np.float64) - expected[forget])
            assert (lost <= np.spacing(np.abs(expected[forget] + 1)) / 2).all()
            worst = max(worst, float(lost.max()))
            got, expected = np.delete(got, forget), np.delete(expected, forget)
        np.testing.assert_array_equal(got, expected, err_msg=dataset)
    measured(f"export of {name}: forget biases change by {worst:.1e} at most")


@pytest.mark.parametrize("name", ["tiny", *CASES, *FIXTURES])
def test_same_bits(name: str, tmp_path: Path) -> None:
    weights = read_weights(files(name))
    write_pair(tmp_path, weights.options, weights.arrays)
    again = read_weights(tmp_path)
    assert_same(again.arrays, weights.arrays)
    assert again.options == inference_options(weights.options)
    ours, theirs = (spacy_elmo.load(source).embed(SENTENCES) for source in (tmp_path, files(name)))
    for one, two in zip(ours, theirs):
        np.testing.assert_array_equal(one.stack(), two.stack())


def test_single_layer_name(parity: Path, tmp_path: Path) -> None:
    """A single layer is written under a name that bilm-tf and AllenNLP can read."""
    folder = parity / "tf_checkpoint" / "one_layer"
    weights = read_weights([folder / "options.json", folder / "dumped_weights.hdf5"])
    write_pair(tmp_path, weights.options, weights.arrays)
    assert datasets(tmp_path / "weights.hdf5").keys() == datasets(parity / "bilm/one_layer/weights.hdf5").keys()
    assert_same(read_weights(tmp_path).arrays, read_weights(parity / "bilm" / "one_layer").arrays)


@pytest.mark.parametrize(
    ("low", "high", "most"),
    [(0.5, 1e30, 0.0), (0.0, 0.5, 2.0**-25), (-1.0, 0.0, 2.0**-24), (-3.0, -1.0, 2.0**-23)],
    ids=["from 0.5", "from 0", "from -1", "from -3"],
)
def test_forget_bias_precision(tiny: Path, tmp_path: Path, low: float, high: float, most: float) -> None:
    """The bias with its 1 stays within the documented precision."""
    weights = read_weights(tiny)
    name, cells = "forward_stack.layers.0.input_linear.bias", weights.options.lstm.dim
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(50):
        wide = rng.uniform(low, min(high, 4.0), size=cells)
        wide[:2] = low, min(high, 1e6)
        forget = wide.astype(np.float32)
        weights.arrays[name][cells : 2 * cells] = forget
        write_hdf5(tmp_path / "weights.hdf5", weights.options, weights.arrays)
        read = read_weights([tiny / "options.json", tmp_path / "weights.hdf5"]).arrays[name][cells : 2 * cells]
        worst = max(worst, float(np.abs(read.astype(np.float64) - forget).max()))
    assert worst <= most
    # The bound is tight.
    assert worst > most / 4 or most == 0.0


def test_options_as_published(tmp_path: Path, parity: Path) -> None:
    """bilm-tf trains with 261 characters; published options have 262."""
    trained = Options.from_file(parity / "lm" / "options.json")
    weights = read_weights([parity / "lm" / "options.json", parity / "lm" / "weights.hdf5"])
    write_pair(tmp_path, weights.options, weights.arrays)
    got = json.loads((tmp_path / "options.json").read_text("utf-8"))
    expected = json.loads((parity / "lm" / "options.json").read_text("utf-8"))
    assert (trained.char_cnn.n_characters, expected["char_cnn"]["n_characters"]) == (261, 261)
    expected["char_cnn"]["n_characters"] = 262
    assert got == expected


def test_leaves_out_other_arrays(tiny: Path, tmp_path: Path) -> None:
    weights = read_weights(tiny)
    more = {
        **weights.arrays,
        "scalar_mix.weights": np.ones(3, np.float32),
        "scalar_mix.gamma": np.float32(2).reshape(()),
        "softmax.weight": np.ones((7, 8), np.float32),
        "softmax.bias": np.ones(7, np.float32),
    }
    write_hdf5(tmp_path / "weights.hdf5", weights.options, more)
    assert datasets(tmp_path / "weights.hdf5").keys() == datasets(tiny / "weights.hdf5").keys()


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_rounds_once(tiny: Path, tmp_path: Path, dtype: Any) -> None:
    weights = read_weights(tiny)
    rng = np.random.default_rng(1)
    arrays = {name: (array + rng.normal(size=array.shape)).astype(dtype) for name, array in weights.arrays.items()}
    write_hdf5(tmp_path / "weights.hdf5", weights.options, arrays)
    written = datasets(tmp_path / "weights.hdf5")
    assert {array.dtype for array in written.values()} == {np.dtype(np.float32)}
    projection = arrays["char_encoder.projection.weight"].T
    np.testing.assert_array_equal(written["CNN_proj/W_proj"], projection.astype(np.float32))
    i, f, g, o = np.split(arrays["backward_stack.layers.1.input_linear.bias"], 4)
    bias = np.concatenate([i, g, f.astype(np.float64) - 1, o]).astype(np.float32)
    np.testing.assert_array_equal(written["RNN_1/RNN/MultiRNNCell/Cell1/LSTMCell/B"], bias)


def test_beyond_float32(tiny: Path, tmp_path: Path) -> None:
    weights = read_weights(tiny)
    path = tmp_path / "weights.hdf5"
    path.write_text("earlier")
    arrays = {name: array.astype(np.float64) for name, array in weights.arrays.items()}
    arrays["backward_stack.layers.1.projection.weight"][3, 2] = -1e39
    with pytest.raises(
        ValueError, match=r"EL086.*Cell1/LSTMCell/W_P_0' contains 1e\+39, but the largest number in float32"
    ):
        write_hdf5(path, weights.options, arrays)
    assert [p.name for p in tmp_path.iterdir()] == ["weights.hdf5"]
    assert path.read_text() == "earlier"


def test_inference_options() -> None:
    options = Options.from_file(TINY / "options.json")
    trained = dataclasses.replace(options, char_cnn=dataclasses.replace(options.char_cnn, n_characters=261))
    assert trained != options
    assert inference_options(trained) == inference_options(options) == options
