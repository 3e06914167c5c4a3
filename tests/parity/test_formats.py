"""The same goldens in TensorFlow's formats, and those of ELMoForManyLangs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.weights.source import read_weights
from tests.data import Measured, read_case, read_npz
from tests.parity.test_parity import HOW, hold

# Folder or file below tf_checkpoint, the golden that it equals, and what it holds besides the biLM.
TENSORFLOW = {
    "tf_checkpoint": ("bilm/base", {"softmax.weight", "softmax.bias"}),
    "tf_checkpoint/model.ckpt-123456": ("bilm/base", {"softmax.weight", "softmax.bias"}),
    "tf_checkpoint/model.ckpt-123456.index": ("bilm/base", {"softmax.weight", "softmax.bias"}),
    "tf_checkpoint/model.ckpt-123456.data-00000-of-00001": ("bilm/base", {"softmax.weight", "softmax.bias"}),
    "tf_checkpoint/one_layer/model.ckpt-123456": ("bilm/one_layer", {"softmax.weight", "softmax.bias"}),
    **dict.fromkeys(
        (
            "tf_checkpoint/tfhub",
            "tf_checkpoint/tfhub/saved_model.pb",
            "tf_checkpoint/tfhub/variables",
            "tf_checkpoint/sharded",
            "tf_checkpoint/sparknlp",
            "tf_checkpoint/sparknlp/elmo_tensorflow",
            "tf_checkpoint/sparknlp_bundle",
        ),
        ("bilm/base", {"scalar_mix.weights", "scalar_mix.gamma"}),
    ),
}
MANYLANGS = ["manylangs/char", "manylangs/word_char"]


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("name", TENSORFLOW)
def test_tensorflow_gives_the_same_arrays(parity: Path, name: str) -> None:
    """Bit for bit those of the HDF5 file that bilm-tf dumped, whose outputs are held against the goldens."""
    golden, more = TENSORFLOW[name]
    found, expected = read_weights(parity / name), read_weights(parity / golden)
    assert found.arrays.keys() == expected.arrays.keys() | more
    for key, array in expected.arrays.items():
        assert array.dtype == found.arrays[key].dtype
        np.testing.assert_array_equal(found.arrays[key], array)
    assert found.options.lstm == expected.options.lstm
    assert found.format == "TensorFlow checkpoint"


def test_no_case_is_left_out(parity: Path) -> None:
    folders = {
        path.parent for path in parity.glob("**/*") if path.suffix == ".index" or path.name == "elmo_tensorflow"
    }
    # The language model has a test of its own.
    assert {str(path.relative_to(parity)) for path in folders} - {
        "lm",
        "tf_checkpoint/one_layer",
    } <= TENSORFLOW.keys()
    assert {f"manylangs/{path.name}" for path in (parity / "manylangs").iterdir()} == set(MANYLANGS)


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("how", ["folder", "zip", "gztar", "nested"])
@pytest.mark.parametrize(
    "name", ["tf_checkpoint/tfhub", "tf_checkpoint/sparknlp", "tf_checkpoint/sparknlp_bundle"]
)
def test_tfhub_with_its_mix(measured: Measured, parity: Path, tmp_path: Path, name: str, how: str) -> None:
    elmo = spacy_elmo.load(pack(parity / name, tmp_path, how))
    sentences = json.loads((parity / "bilm/base/sentences.json").read_text("utf-8"))
    expected = read_npz(parity / "tf_checkpoint/tfhub_expected_elmo.npz")
    chosen = expected["sentence_indices"].tolist()
    got = [output.elmo for output in elmo.embed([sentences[i] for i in chosen])]
    worst = max(np.abs(array - expected[f"s{i}"]).max() for i, array in zip(chosen, got))
    measured(f"{name:<42}{how:<12}  max abs difference of the mix: {worst:.1e}")
    assert worst <= 1e-4


def pack(folder: Path, tmp_path: Path, how: str) -> Path:
    if how == "folder":
        return folder
    if how == "nested":
        shutil.copytree(folder, tmp_path / "a" / "b")
        return Path(shutil.make_archive(str(tmp_path / "model"), "zip", tmp_path, "a"))
    return Path(shutil.make_archive(str(tmp_path / "model"), how, folder))


@HOW
@pytest.mark.parametrize("name", MANYLANGS)
def test_manylangs(measured: Measured, parity: Path, name: str, precision: PrecisionName, way: str) -> None:
    case = read_case(parity / name)
    elmo = spacy_elmo.load(parity / name, precision=precision)
    got = [output.stack() for output in elmo.embed(case.sentences)]
    hold(measured, name, f"{precision} {way}", got, case.expected)


@HOW
@pytest.mark.parametrize("name", MANYLANGS)
def test_manylangs_second_call(
    measured: Measured, parity: Path, name: str, precision: PrecisionName, way: str
) -> None:
    """It never forgets: the second call goes on from the first one's states, row by row."""
    case = read_case(parity / name, "second_call")
    elmo = spacy_elmo.load(parity / name, precision=precision, initial_state="carry")
    order = sorted(range(len(case.sentences)), key=lambda i: len(case.sentences[i]))
    batch = [case.sentences[i] for i in order]
    elmo.embed(batch)
    got = [output.stack() for output in elmo.embed(batch)]
    hold(measured, f"{name}, second call", f"{precision} {way}", got, [case.expected[i] for i in order])


@pytest.mark.parametrize(
    "name",
    [
        *MANYLANGS,
        pytest.param("tf_checkpoint/tfhub", marks=pytest.mark.needs("tensorflow")),
        pytest.param("tf_checkpoint", marks=pytest.mark.needs("tensorflow")),
        "bilm/base",
    ],
)
def test_converted_and_read_again(parity: Path, tmp_path: Path, name: str) -> None:
    from spacy_elmo.cli.export import export

    export(parity / name, tmp_path / "ours", dtype=None)
    expected, found = read_weights(parity / name), read_weights(tmp_path / "ours")
    assert found.format == "safetensors"
    assert found.options == expected.options
    assert found.arrays.keys() == expected.arrays.keys()
    for key, array in expected.arrays.items():
        assert array.dtype == found.arrays[key].dtype == np.float32
        np.testing.assert_array_equal(array.view(np.uint32), found.arrays[key].view(np.uint32))
