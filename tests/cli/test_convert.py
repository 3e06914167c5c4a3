import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.cli.export import export
from spacy_elmo.cli.info import as_text, info
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights
from tests.cli.command import run


@pytest.fixture
def mixes(tiny: Path, tmp_path: Path) -> Path:
    """A model with three trained scalar mixes."""
    weights = read_weights(tiny)
    more = {}
    for number, prefix in enumerate(["scalar_mix.", "scalar_mix_1.", "scalar_mix_2."]):
        more[f"{prefix}weights"] = np.arange(3, dtype=np.float32) * number
        more[f"{prefix}gamma"] = np.array(number + 1, np.float32)
    write_folder(tmp_path / "mixes", weights.options, {**weights.arrays, **more})
    return tmp_path / "mixes"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_zip_becomes_our_folder(tiny: Path, tmp_path: Path, dtype: str) -> None:
    """A model as NLPL and simple_elmo have it, by the command."""
    folder = tmp_path / "213"
    folder.mkdir()
    shutil.copy(tiny / "options.json", folder)
    shutil.copy(tiny / "weights.hdf5", folder / "model.hdf5")
    archive = shutil.make_archive(str(folder), "zip", folder)
    done = run("convert", archive, tmp_path / "out", "--dtype", dtype)
    assert done.stderr == (f"Wrote 9,552 parameters in {dtype} to {tmp_path / 'out' / 'weights.safetensors'}.\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["options.json", "weights.safetensors"]
    expected, found = read_weights(tiny), read_weights(tmp_path / "out")
    assert found.options == expected.options
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == dtype
        np.testing.assert_array_equal(found.arrays[name], array.astype(dtype))


def test_all_mixes_are_kept(mixes: Path, tmp_path: Path) -> None:
    export(mixes, tmp_path / "out", dtype=None)
    expected, found = read_weights(mixes).arrays, read_weights(tmp_path / "out").arrays
    assert found.keys() == expected.keys()
    elmo = spacy_elmo.load(tmp_path / "out")
    assert [mix.gamma.item() for mix in [elmo.mix, *elmo.more_mixes]] == [1, 2, 3]
    elmo.save(tmp_path / "again")
    again = read_weights(tmp_path / "again").arrays
    assert all(np.array_equal(again[name], array) for name, array in expected.items())


def test_another_mix_becomes_elmo(mixes: Path, tmp_path: Path) -> None:
    export(mixes, tmp_path / "out", mix=2, dtype=None)
    found = spacy_elmo.load(tmp_path / "out")
    sentence = [["Hello", "there", "."]]
    layers = spacy_elmo.load(mixes).embed(sentence)[0].stack().astype(np.float64)
    shares = np.exp([0.0, 2.0, 4.0])
    expected = 3 * np.tensordot(shares / shares.sum(), layers, axes=1)
    np.testing.assert_allclose(found.embed(sentence)[0].elmo, expected, atol=1e-5)
    assert [mix.gamma.item() for mix in found.more_mixes] == [2, 1]
    elmo = spacy_elmo.load(mixes)
    elmo.mix = elmo.more_mixes[1]
    np.testing.assert_allclose(elmo.embed(sentence)[0].elmo, expected, atol=1e-5)


def test_info_shows_all_mixes(mixes: Path) -> None:
    facts = info(mixes)
    assert [mix["gamma"] for mix in [facts["scalar_mix"], *facts["more_scalar_mixes"]]] == [1, 2, 3]
    assert facts["more_scalar_mixes"][1]["shares"] == pytest.approx([0.015876, 0.117310, 0.866813], abs=2e-6)
    names = [line.split("  ")[0] for line in as_text(facts).splitlines() if line.startswith("scalar mix")]
    assert names == ["scalar mix", "scalar mix 1", "scalar mix 2"]


def test_a_mix_that_is_not_there(mixes: Path, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"EL138.*has 3 trained scalar mixes; number 3 does not exist"):
        export(mixes, tmp_path / "out", mix=3, dtype=None)
    with pytest.raises(ValueError, match=r"EL138.*has 0 trained"):
        export(tiny, tmp_path / "out", mix=1, dtype=None)
    assert not (tmp_path / "out").exists()


def test_mixes_with_gaps(mixes: Path) -> None:
    weights = read_weights(mixes)
    arrays = {name: array for name, array in weights.arrays.items() if not name.startswith("scalar_mix_1.")}
    write_folder(mixes, weights.options, arrays)
    with pytest.raises(ValueError, match=r"EL022.*'scalar_mix_2"):
        read_weights(mixes)
    del arrays["scalar_mix_2.gamma"]
    arrays["scalar_mix_1.weights"] = arrays.pop("scalar_mix_2.weights")
    write_folder(mixes, weights.options, arrays)
    with pytest.raises(ValueError, match=r"EL019.*lacks the array 'scalar_mix_1.gamma'"):
        read_weights(mixes)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (["no-such-model", "{out}"], "EL010"),
        (["{tiny}", "{out}", "--dtype", "float8"], "EL030.*dtype 'float8'. Allowed: float32, float16"),
        (["{tiny}", "{tiny}"], "EL087"),
    ],
)
def test_wrong_input(tiny: Path, tmp_path: Path, wrong: "list[str]", match: str) -> None:
    arguments = [part.format(tiny=tiny, out=tmp_path / "out") for part in wrong]
    assert re.search(match, run("convert", *arguments, code=1).stderr)
    assert not (tmp_path / "out").exists()
    assert json.loads((tiny / "options.json").read_text("utf-8"))
