import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.errors import ElmoError
from spacy_elmo.weights.source import read_weights
from tests import reference

CELL = "RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell"


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to change."""
    shutil.copytree(tiny, tmp_path / "model")
    return tmp_path / "model"


def change_options(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "options.json"
    data = json.loads(path.read_text("utf-8"))
    change(data)
    path.write_text(json.dumps(data), "utf-8")


def edit(folder: Path) -> h5py.File:
    return h5py.File(folder / "weights.hdf5", "r+")


def test_gates_and_forget_bias(tiny: Path) -> None:
    weights = read_weights(tiny)
    with h5py.File(tiny / "weights.hdf5") as file:
        kernel, bias = file[f"{CELL}/W_0"][()], file[f"{CELL}/B"][()]
    layer = "forward_stack.layers.0"
    i, g, f, o = np.split(kernel, 4, axis=1)
    expected = np.concatenate([i, f, g, o], axis=1)
    np.testing.assert_array_equal(weights.arrays[f"{layer}.input_linear.weight"], expected[:8].T)
    np.testing.assert_array_equal(weights.arrays[f"{layer}.state_linear.weight"], expected[8:].T)
    i, g, f, o = np.split(bias, 4)
    np.testing.assert_array_equal(weights.arrays[f"{layer}.input_linear.bias"], np.concatenate([i, f + 1, g, o]))
    assert weights.format == "HDF5"
    assert not weights.has_mix
    assert not weights.has_warm_state


def test_number_of_parameters(tiny: Path) -> None:
    with h5py.File(tiny / "weights.hdf5") as file:
        sizes = []
        file.visititems(lambda name, item: sizes.append(item.size) if isinstance(item, h5py.Dataset) else None)
    assert read_weights(tiny).n_parameters == sum(sizes)


def test_single_layer_dump(parity: Path, tmp_path: Path) -> None:
    """bilm-tf names a single layer without MultiRNNCell, and cannot read that dump itself."""
    folder = parity / "tf_checkpoint" / "one_layer"
    sentences = [["A", "short", "one"], ["last"]]
    ours = spacy_elmo.load([folder / "options.json", folder / "dumped_weights.hdf5"]).embed(sentences)
    theirs = spacy_elmo.load(parity / "bilm" / "one_layer").embed(sentences)
    for one, two in zip(ours, theirs):
        np.testing.assert_array_equal(one.stack(), two.stack())


def test_row_for_no_token(copy: Path, tiny: Path) -> None:
    with edit(copy) as file:
        rows = file["char_embed"][()]
        del file["char_embed"]
        file["char_embed"] = np.vstack([np.zeros_like(rows[:1]), rows])
    name = "char_encoder.embedding.weight"
    np.testing.assert_array_equal(read_weights(copy).arrays[name], read_weights(tiny).arrays[name])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floating_point(copy: Path, tiny: Path, dtype: Any) -> None:
    with edit(copy) as file:
        for cell in ("W_0", "B", "W_P_0"):
            array = file[f"{CELL}/{cell}"][()].astype(dtype)
            del file[f"{CELL}/{cell}"]
            file[f"{CELL}/{cell}"] = array
    got = spacy_elmo.load(copy).embed([["a", "b"]])[0].lstm_outputs1
    expected = spacy_elmo.load(tiny).embed([["a", "b"]])[0].lstm_outputs1
    np.testing.assert_allclose(got, expected, atol=1e-2 if dtype is np.float16 else 1e-6)
    assert got.dtype == np.float32


def test_big_endian(copy: Path, tiny: Path) -> None:
    with edit(copy) as file:
        array = file["CNN_proj/b_proj"][()].astype(">f4")
        del file["CNN_proj/b_proj"]
        file["CNN_proj/b_proj"] = array
    np.testing.assert_array_equal(
        spacy_elmo.load(copy).embed([["a"]])[0].elmo, spacy_elmo.load(tiny).embed([["a"]])[0].elmo
    )


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_links_are_followed(copy: Path, kind: str) -> None:
    """Two directions share an array. HDF5 visits an object only once, even if it has several names."""
    first, second = f"{CELL}/B", f"{CELL.replace('RNN_0', 'RNN_1')}/B"
    with edit(copy) as file:
        del file[second]
        file[second] = h5py.SoftLink(f"/{first}") if kind == "soft" else file[first]
    arrays = read_weights(copy).arrays
    bias = "layers.0.input_linear.bias"
    np.testing.assert_array_equal(arrays[f"forward_stack.{bias}"], arrays[f"backward_stack.{bias}"])


def test_a_link_to_nowhere(copy: Path) -> None:
    with edit(copy) as file:
        del file[f"{CELL}/B"]
        file[f"{CELL}/B"] = h5py.SoftLink("/nowhere")
    with pytest.raises(ValueError, match=r"EL019.*lacks the array 'RNN_0.*/B'"):
        read_weights(copy)


def test_text_array(copy: Path) -> None:
    for name, match in (("CNN_proj/b_proj", r"EL020.*'CNN_proj/b_proj' has shape \(\)"), ("char_embed", "EL020")):
        with edit(copy) as file:
            del file[name]
            file[name] = "text"
        with pytest.raises(ValueError, match=match):
            read_weights(copy)


def test_checks_before_reading(copy: Path) -> None:
    """A file of a kilobyte can claim an array of gigabytes."""
    with edit(copy) as file:
        del file["CNN_proj/b_proj"]
        file.create_dataset("CNN_proj/b_proj", shape=(10**13,), dtype="f4")
    with pytest.raises(ValueError, match=r"EL020.*'CNN_proj/b_proj' has shape \(10000000000000,\)"):
        read_weights(copy)


def test_truncated(copy: Path) -> None:
    path = copy / "weights.hdf5"
    path.write_bytes(path.read_bytes()[:30_000])
    with pytest.raises(ValueError, match=r"EL018.*weights.hdf5' cannot be opened.*truncated.*30,000 bytes"):
        read_weights(copy)


def test_no_bilm(copy: Path) -> None:
    with h5py.File(copy / "weights.hdf5", "w") as file:
        file["embeddings"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"EL019.*not a biLM: it lacks the array 'char_embed' and .*embeddings"):
        read_weights(copy)


def test_no_arrays_at_all(copy: Path) -> None:
    h5py.File(copy / "weights.hdf5", "w").close()
    with pytest.raises(ValueError, match=r"EL019.*It contains no arrays"):
        read_weights(copy)


def test_wrong_size(copy: Path) -> None:
    change_options(copy, lambda options: options["lstm"].update(dim=32))
    match = r"EL020.*'RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell/B' has shape \(96,\).*requires \(128,\)"
    with pytest.raises(ValueError, match=match):
        read_weights(copy)


def test_more_layers(copy: Path) -> None:
    change_options(copy, lambda options: options["lstm"].update(n_layers=3))
    with pytest.raises(
        ValueError, match=r"EL019.*lacks the array 'RNN_0/RNN/MultiRNNCell/Cell2/LSTMCell/W_0' and 5"
    ):
        read_weights(copy)


def test_integers(copy: Path) -> None:
    with edit(copy) as file:
        del file["CNN_proj/b_proj"]
        file["CNN_proj/b_proj"] = np.zeros(8, dtype=np.int64)
    with pytest.raises(ValueError, match=r"EL021.*'CNN_proj/b_proj' contains int64"):
        read_weights(copy)


def test_nan_is_counted(copy: Path) -> None:
    with edit(copy) as file:
        file["CNN_proj/b_proj"][2:5] = np.nan
        file[f"{CELL}/B"][0] = np.inf
    with pytest.warns(UserWarning, match=r"WL001.*4 of 9,552 weights are not finite.*CNN_proj/b_proj, RNN_0"):
        read_weights(copy)


def test_no_warning(tiny: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_weights(tiny)


def test_link_to_other_file(copy: Path, tiny: Path) -> None:
    """Numbers of any file could be read through the link."""
    for name in ("CNN_proj/b_proj", "CNN_proj", "char_embed"):
        shutil.copy(tiny / "weights.hdf5", copy / "weights.hdf5")
        with edit(copy) as file:
            del file[name]
            file[name] = h5py.ExternalLink(str(tiny / "weights.hdf5"), f"/{name}")
        with pytest.raises(ValueError, match=rf"EL131.*'{name}' points to another file"):
            read_weights(copy)


def test_indirect_link_to_other_file(copy: Path, tiny: Path) -> None:
    with edit(copy) as file:
        del file["CNN_proj/b_proj"]
        file["elsewhere"] = h5py.ExternalLink(str(tiny / "weights.hdf5"), "/CNN_proj")
        file["CNN_proj/b_proj"] = h5py.SoftLink("/elsewhere/b_proj")
    with pytest.raises(ValueError, match=r"EL131.*'elsewhere' points to another file"):
        read_weights(copy)


@pytest.mark.parametrize("kind", ["external", "virtual"])
def test_external_numbers(copy: Path, tiny: Path, kind: str) -> None:
    secret = copy / "secret.bin"
    secret.write_bytes(b"\1" * 32)
    with edit(copy) as file:
        del file["CNN_proj/b_proj"]
        if kind == "external":
            file.create_dataset("CNN_proj/b_proj", (8,), "f4", external=[(str(secret), 0, 32)])
        else:
            layout = h5py.VirtualLayout((8,), "f4")
            layout[:] = h5py.VirtualSource(str(tiny / "weights.hdf5"), "CNN_proj/b_proj", (8,))
            file.create_virtual_dataset("CNN_proj/b_proj", layout)
    with pytest.raises(ValueError, match=r"EL131.*'CNN_proj/b_proj' points to another file"):
        read_weights(copy)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_claims_too_much(copy: Path, compression: str | None) -> None:
    """The claim is refused even if the options agree with it."""
    change_options(copy, lambda options: options["lstm"].update(dim=50_000))
    with edit(copy) as file:
        for direction in (0, 1):
            for layer in (0, 1):
                cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
                for name, shape in (("W_0", (16, 200_000)), ("B", (200_000,)), ("W_P_0", (50_000, 8))):
                    del file[f"{cell}/{name}"]
                    file.create_dataset(f"{cell}/{name}", shape, "f4", compression=compression)
    with pytest.raises(
        ValueError, match=r"EL132.*claims the shape \(16, 200000\), 12,800,000 bytes, but only 0 bytes"
    ):
        read_weights(copy)


def test_compressed_weights(copy: Path, tiny: Path) -> None:
    """The numbers are the same. Constant biases compress best."""
    with edit(copy) as file:
        arrays = {name: file[name][()] for name in ("char_embed", f"{CELL}/W_0", "CNN_high_0/b_carry")}
        arrays["CNN_high_0/b_carry"][:] = -2
        for name, array in arrays.items():
            del file[name]
            file.create_dataset(name, data=array, compression="gzip")
    found = read_weights(copy).arrays
    np.testing.assert_array_equal(found["char_encoder.highways.0.carry.bias"], -2)
    name = "char_encoder.embedding.weight"
    np.testing.assert_array_equal(found[name], read_weights(tiny).arrays[name])


@pytest.mark.parametrize("layout", ["contiguous", "chunked", "half written"])
def test_array_never_written(copy: Path, layout: str) -> None:
    """HDF5 returns zeros for it."""
    with edit(copy) as file:
        shape = file["CNN_proj/W_proj"].shape
        del file["CNN_proj/W_proj"]
        chunks = None if layout == "contiguous" else (4, 4)
        dataset = file.create_dataset("CNN_proj/W_proj", shape, "f4", chunks=chunks)
        if layout == "half written":
            dataset[:4] = 1
    with pytest.raises(ValueError, match=r"EL261.*'CNN_proj/W_proj' has shape .* were ever written.*zeros"):
        read_weights(copy)


def test_array_without_shape(copy: Path) -> None:
    with edit(copy) as file:
        del file["CNN_proj/b_proj"]
        file["CNN_proj/b_proj"] = h5py.Empty("f4")
    with pytest.raises(ValueError, match=r"EL020.*'CNN_proj/b_proj' has shape \(\)"):
        read_weights(copy)


def test_groups_without_end(copy: Path) -> None:
    """HDF5's time for them grows with the square of their depth."""
    with edit(copy) as file:
        group = file
        for _ in range(2000):
            group = group.create_group("g")
    with pytest.raises(ElmoError, match="groups nested deeper than 20") as raised:
        read_weights(copy)
    assert raised.value.code == "EL265"


def test_a_group_within_itself(copy: Path, tiny: Path) -> None:
    with edit(copy) as file:
        file["CNN/again"] = file["CNN"]
    name = "char_encoder.embedding.weight"
    np.testing.assert_array_equal(read_weights(copy).arrays[name], read_weights(tiny).arrays[name])


def test_word_bilm(copy: Path) -> None:
    with edit(copy) as file:
        for name in list(file):
            if name.startswith(("char_embed", "CNN")):
                del file[name]
        file["embedding"] = np.zeros((10, 8), np.float32)
    with pytest.raises(
        ValueError, match=r"EL250.*reads words instead of characters.*'embedding' in place of 'char_embed'"
    ):
        read_weights(copy)
    change_options(copy, lambda options: options.pop("char_cnn"))
    with pytest.raises(ValueError, match=r"EL250.*options.json.*they have no `char_cnn`.*not supported"):
        read_weights(copy)


def test_locked_file(copy: Path) -> None:
    """The message does not say that the file is damaged."""
    script = (
        "import sys; from spacy_elmo.weights.source import read_weights\n"
        "try: read_weights(sys.argv[1])\n"
        "except OSError as error: print(error)"
    )
    # A process may open its own file again.
    with edit(copy):
        done = subprocess.run([sys.executable, "-c", script, str(copy)], capture_output=True, text=True)
    assert "[EL253]" in done.stdout, done.stderr
    assert "locked" in done.stdout
    assert "HDF5_USE_FILE_LOCKING" in done.stdout
    assert "damaged" not in done.stdout


def test_errors_of_the_disk(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **settings: Any) -> Any:
        raise OSError("Can't read data (file read failed: errno = 5, error message = 'Input/output error')")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", fail)
    with pytest.raises(OSError, match=r"EL253.*weights.hdf5' cannot be read .*Input/output error"):
        read_weights(copy)


def test_projection_as_wide_as_cell(copy: Path, tmp_path: Path) -> None:
    """bilm-tf has none in this case, and PyTorch's models have one: the arrays decide."""
    change_options(copy, lambda options: options["lstm"].update(dim=8, projection_dim=8))
    random = np.random.default_rng(0)
    with edit(copy) as file:
        for direction in (0, 1):
            for layer in (0, 1):
                cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
                for name, shape in (("W_0", (16, 32)), ("B", (32,)), ("W_P_0", (8, 8))):
                    del file[f"{cell}/{name}"]
                    file[f"{cell}/{name}"] = random.normal(size=shape).astype(np.float32)
    options = json.loads((copy / "options.json").read_text("utf-8"))
    sentence = ["A", "short", "one"]
    expected = reference.layers(sentence, options, reference.read_hdf5(copy / "weights.hdf5"))
    elmo = spacy_elmo.load(copy)
    np.testing.assert_allclose(elmo.embed([sentence])[0].stack(), expected, atol=1e-5)
    elmo.save(tmp_path / "saved")
    np.testing.assert_array_equal(
        spacy_elmo.load(tmp_path / "saved").embed([sentence])[0].stack(), elmo.embed([sentence])[0].stack()
    )
    with edit(copy) as file:
        for cell in [f"RNN_{d}/RNN/MultiRNNCell/Cell{k}/LSTMCell" for d in (0, 1) for k in (0, 1)]:
            del file[f"{cell}/W_P_0"]
    without = reference.layers(sentence, options, reference.read_hdf5(copy / "weights.hdf5"))
    assert np.abs(without - expected).max() > 0.1
    np.testing.assert_allclose(spacy_elmo.load(copy).embed([sentence])[0].stack(), without, atol=1e-5)
