import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.weights.arrays import Arrays, mix_shapes, warm_state_shapes
from spacy_elmo.weights.formats import folder as folder_module
from spacy_elmo.weights.formats.folder import from_bytes, remove_folder, to_bytes, write_folder
from spacy_elmo.weights.source import read_weights


@pytest.fixture
def saved(elmo: Elmo, tmp_path: Path) -> Path:
    elmo.save(tmp_path / "saved")
    return tmp_path / "saved"


def rewrite(path: Path, change: dict[str, "np.ndarray"], drop: str = "") -> None:
    arrays = {**safetensors.numpy.load_file(path / "weights.safetensors"), **change}
    arrays.pop(drop, None)
    safetensors.numpy.save_file(arrays, path / "weights.safetensors")


def extras(elmo: Elmo) -> Arrays:
    random = np.random.default_rng(0)
    shapes = {**mix_shapes(elmo.options), **warm_state_shapes(elmo.options)}
    return {name: np.asarray(random.standard_normal(shape), dtype=np.float32) for name, shape in shapes.items()}


def test_same_numbers(saved: Path, elmo: Elmo, sentences: list) -> None:
    for one, two in zip(spacy_elmo.load(saved).embed(sentences), elmo.embed(sentences)):
        for name, array in one.items():
            np.testing.assert_array_equal(array, getattr(two, name))


def test_files(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["options.json", "weights.safetensors"]
    assert stat.S_IMODE((saved / "options.json").stat().st_mode) & 0o444 == 0o444
    assert json.loads((saved / "options.json").read_text("utf-8"))["lstm"]["proj_clip"] == 1.5


def test_a_file_in_its_place(elmo: Elmo, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "model"):
        with pytest.raises(OSError, match=r"EL221.*could not be written"):
            elmo.save(path)
    assert (tmp_path / "file").read_text() == "mine"


def test_memory_mapped(saved: Path) -> None:
    weights = read_weights(saved)
    assert weights.format == "safetensors"
    for array in weights.arrays.values():
        base: Any = array
        while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)
    # Training changes the arrays, never the file.
    before = (saved / "weights.safetensors").read_bytes()
    weights.arrays["char_encoder.embedding.weight"][:] = 0
    assert (saved / "weights.safetensors").read_bytes() == before


def test_mix_and_warm_state(saved: Path, elmo: Elmo) -> None:
    rewrite(saved, extras(elmo))
    weights = read_weights(saved)
    assert weights.has_mix
    assert weights.has_warm_state
    loaded = spacy_elmo.load(saved, initial_state="warm")
    np.testing.assert_array_equal(loaded.mix.weights.detach().numpy(), extras(elmo)["scalar_mix.weights"])
    loaded.save(saved)
    again = read_weights(saved).arrays
    assert all((again[name] == array).all() for name, array in extras(elmo).items())


def test_bytes(elmo: Elmo) -> None:
    weights = from_bytes(to_bytes(elmo.options, {**elmo.named_arrays(), **extras(elmo)}), where="here")
    assert weights.options == elmo.options
    assert weights.has_warm_state
    with pytest.raises(ValueError, match=r"EL023.*'here' is truncated or damaged"):
        from_bytes(to_bytes(elmo.options, elmo.named_arrays())[:-9], where="here")


def test_truncated(saved: Path) -> None:
    path = saved / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"EL023.*truncated or damaged"):
        read_weights(saved)


def test_missing_array(saved: Path) -> None:
    rewrite(saved, {}, drop="char_encoder.projection.bias")
    with pytest.raises(
        ValueError, match=r"EL019.*safetensors file, but not a biLM.*'char_encoder.projection.bias'\."
    ):
        read_weights(saved)


def test_half_a_mix(saved: Path) -> None:
    rewrite(saved, {}, drop="scalar_mix.gamma")
    with pytest.raises(ValueError, match=r"EL019.*'scalar_mix.gamma'"):
        read_weights(saved)


def test_wrong_shape(saved: Path) -> None:
    rewrite(saved, {"char_encoder.projection.bias": np.zeros(9, np.float32)})
    with pytest.raises(
        ValueError, match=r"EL020.*'char_encoder.projection.bias' has shape \(9,\).*requires \(8,\)"
    ):
        read_weights(saved)


def test_unknown_array(saved: Path) -> None:
    rewrite(saved, {"softmax.W": np.zeros(9, np.float32)})
    with pytest.raises(ValueError, match=r"EL022.*'softmax.W' is not part of the model"):
        read_weights(saved)


def test_scalar_softmax(saved: Path) -> None:
    """A single number has no rows, which would be the words."""
    rewrite(saved, {"softmax.adaptive.head.weight": np.array(1, np.float32)})
    with pytest.raises(ValueError, match=r"EL019.*'softmax.adaptive.head.bias'"):
        read_weights(saved)


def test_wrong_dtype(saved: Path) -> None:
    rewrite(saved, {"char_encoder.projection.bias": np.zeros(8, np.int32)})
    with pytest.raises(ValueError, match=r"EL021.*'char_encoder.projection.bias' contains I32"):
        read_weights(saved)


def test_nan_is_counted(saved: Path) -> None:
    rewrite(saved, {"char_encoder.projection.bias": np.full(8, np.nan, np.float32)})
    with pytest.warns(UserWarning, match=r"WL001.*8 of .*char_encoder.projection.bias"):
        read_weights(saved)


def test_unaligned_arrays(saved: Path, tiny: Path) -> None:
    """Other programs may write unaligned arrays."""
    path = saved / "weights.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    path.write_bytes((size + 1).to_bytes(8, "little") + data[8 : 8 + size] + b" " + data[8 + size :])
    arrays = read_weights(saved).arrays
    assert all(array.flags.aligned for array in arrays.values())
    np.testing.assert_array_equal(
        arrays["char_encoder.projection.bias"], read_weights(tiny).arrays["char_encoder.projection.bias"]
    )


def test_failed_write(saved: Path, elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (saved / "weights.safetensors").read_bytes()

    def fail(arrays: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(folder_module.safetensors.numpy, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        elmo.save(saved)
    assert (saved / "weights.safetensors").read_bytes() == before
    assert sorted(os.listdir(saved)) == ["options.json", "weights.safetensors"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left"), r"No space left\..*Free disk space"),
        (safetensors.SafetensorError("No space left (os error 28)"), r"No space left.*Free disk space"),
        (OSError(errno.EFBIG, "File too large"), r"File too large\..*ulimit -f"),
        (safetensors.SafetensorError("invalid shape"), r"invalid shape\..*Correct the cause, and try again\.$"),
    ],
)
def test_a_disk_without_room(
    saved: Path, elmo: Elmo, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    before = (saved / "weights.safetensors").read_bytes()

    def fail(*arguments: Any, **metadata: Any) -> None:
        raise error

    monkeypatch.setattr(safetensors.numpy, "save_file", fail)
    with pytest.raises(OSError, match=rf"EL092.*weights\.safetensors' could not be written: {reason}"):
        elmo.save(saved)
    assert (saved / "weights.safetensors").read_bytes() == before
    assert len(list(saved.iterdir())) == 2


def test_save_over_mapped_files(saved: Path, sentences: list) -> None:
    loaded = spacy_elmo.load(saved)
    expected = loaded.embed(sentences)[0].elmo
    loaded.save(saved)
    np.testing.assert_array_equal(loaded.embed(sentences)[0].elmo, expected)
    np.testing.assert_array_equal(spacy_elmo.load(saved).embed(sentences)[0].elmo, expected)


def test_remove(saved: Path, elmo: Elmo) -> None:
    (saved / "notes.txt").write_text("mine")
    remove_folder(saved)
    assert os.listdir(saved) == ["notes.txt"]
    (saved / "notes.txt").unlink()
    write_folder(saved, elmo.options, elmo.named_arrays())
    remove_folder(saved)
    assert not saved.exists()
    remove_folder(saved)
