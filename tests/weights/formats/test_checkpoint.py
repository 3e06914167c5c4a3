import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.cli.info import info
from spacy_elmo.weights.formats.checkpoint import data_files, import_tensorflow
from spacy_elmo.weights.source import read_weights

pytestmark = pytest.mark.needs("tensorflow")

Variables = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def trained(parity: Path) -> Variables:
    return read_variables(parity / "tf_checkpoint/model.ckpt-123456")


@pytest.fixture(scope="module")
def published(parity: Path) -> Variables:
    return read_variables(parity / "tf_checkpoint/tfhub/variables/variables")


@pytest.fixture
def options(parity: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(parity / "tf_checkpoint/options.json", tmp_path / "options.json"))


def read_variables(prefix: Path) -> Variables:
    reader = import_tensorflow().train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def write(prefix: Path, variables: Variables) -> Path:
    """A checkpoint with exactly these names. RETURNS: its index."""
    names = sorted(variables)
    tensorflow = import_tensorflow()
    tensorflow.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tensorflow.constant(variables[name]) for name in names],
    )
    return prefix.with_name(f"{prefix.name}.index")


def rename(variables: Variables, *rules: tuple[str, str]) -> Variables:
    out = {}
    for name, array in variables.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        out[name] = array
    return out


SPELLINGS = {
    "TensorFlow 0.12": [
        (r"rnn/multi_rnn_cell/cell_(\d)/lstm_cell", r"RNN/MultiRNNCell/Cell\1/LSTMCell"),
        (r"projection/kernel", "W_P_0"),
        (r"LSTMCell/kernel", "LSTMCell/W_0"),
        (r"LSTMCell/bias", "LSTMCell/B"),
    ],
    "TensorFlow 1.0": [(r"kernel", "weights"), (r"bias", "biases")],
    "another scope": [(r"^lm/", "bilm/")],
    "scopes in scopes": [(r"^lm/", "module/encoder/lm/")],
    "no scope": [(r"^lm/", "")],
    "TF Hub": [(r"^lm/", "module/bilm/"), (r"rnn/multi_rnn_cell/cell_(\d)/", r"RNN/MultiRNNCell/Cell\1/rnn/")],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_names(
    parity: Path, tmp_path: Path, options: Path, trained: Variables, spelling: str
) -> None:
    names = rename(trained, *SPELLINGS[spelling])
    assert names.keys() != trained.keys()
    found = read_weights(write(tmp_path / "model.ckpt-1", names)).arrays
    expected = read_weights(parity / "bilm/base").arrays
    assert found.keys() - expected.keys() == {"softmax.weight", "softmax.bias"}
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("rows", [261, 262])
def test_row_for_no_character(parity: Path, tmp_path: Path, published: Variables, rows: int) -> None:
    variables = dict(published)
    variables["bilm/char_embed"] = variables["bilm/char_embed"][262 - rows :]
    found = read_weights(write(tmp_path / "variables", variables)).arrays["char_encoder.embedding.weight"]
    assert found.shape[0] == 262
    np.testing.assert_array_equal(
        found, read_weights(parity / "bilm/base").arrays["char_encoder.embedding.weight"]
    )


def test_options_of_shapes(parity: Path, tmp_path: Path, published: Variables) -> None:
    """Sizes come from the arrays, the rest is the same in all published modules."""
    expected = read_weights(parity / "bilm/base").options
    found = read_weights(write(tmp_path / "variables", published)).options
    assert found.lstm == expected.lstm
    assert found.char_cnn == expected.char_cnn


def test_other_shapes(tmp_path: Path) -> None:
    """All sizes differ, and the files have only names and shapes."""
    arrays: Variables = {"bilm/char_embed": np.ones((262, 3), np.float32)}
    for i, (span, number) in enumerate([(1, 2), (3, 4), (5, 6)]):
        arrays[f"bilm/CNN/W_cnn_{i}"] = np.ones((1, span, 3, number), np.float32)
        arrays[f"bilm/CNN/b_cnn_{i}"] = np.ones(number, np.float32)
    arrays["bilm/CNN_proj/W_proj"] = np.ones((12, 5), np.float32)
    arrays["bilm/CNN_proj/b_proj"] = np.ones(5, np.float32)
    for direction in (0, 1):
        for layer in (0, 1, 2):
            cell = f"bilm/RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/rnn/lstm_cell"
            arrays[f"{cell}/kernel"] = np.ones((10, 28), np.float32)
            arrays[f"{cell}/bias"] = np.ones(28, np.float32)
            arrays[f"{cell}/projection/kernel"] = np.ones((7, 5), np.float32)
    options = read_weights(write(tmp_path / "variables", arrays)).options
    assert (options.lstm.dim, options.lstm.projection_dim, options.lstm.n_layers) == (7, 5, 3)
    assert (options.lstm.cell_clip, options.lstm.proj_clip, options.lstm.use_skip_connections) == (3, 3, True)
    assert options.char_cnn.filters == ((1, 2), (3, 4), (5, 6))
    assert (options.char_cnn.n_highway, options.char_cnn.embedding_dim) == (0, 3)


def test_training_run_without_options(tmp_path: Path, parity: Path, trained: Variables) -> None:
    """No array determines its clips."""
    index = write(tmp_path / "model.ckpt-7", trained)
    expected = read_weights(parity / "tf_checkpoint")
    for source in (index, tmp_path):
        with pytest.warns(UserWarning, match=r"WL084.*ckpt-7.index' has no options.*64 cells projected to 16"):
            found = read_weights(source)
        assert found.has_softmax
        assert found.options.lstm == expected.options.lstm
        assert all(np.array_equal(found.arrays[name], array) for name, array in expected.arrays.items())


def test_upper_layers(tmp_path: Path, parity: Path, options: Path, trained: Variables) -> None:
    text = options.read_text("utf-8")
    options.write_text(text.replace('"n_layers": 2', '"n_layers": 1'), "utf-8")
    assert options.read_text("utf-8") != text
    with pytest.warns(UserWarning, match=r"WL086.*model.ckpt-7.index: .*RNN_0/RNN/MultiRNNCell/Cell1/LSTMCell/B"):
        found = read_weights(write(tmp_path / "model.ckpt-7", trained)).arrays
    expected = read_weights(parity / "tf_checkpoint").arrays
    assert expected.keys() - found.keys() == {name for name in expected if "layers.1" in name}
    assert all(np.array_equal(expected[name], array) for name, array in found.items())


def test_the_newest_of_several(tmp_path: Path, options: Path, trained: Variables) -> None:
    for number in (2, 10, 3):
        write(tmp_path / f"model.ckpt-{number}", {**trained, "lm/softmax/b": np.full(12, number, np.float32)})
    with pytest.raises(ValueError, match=r"EL014.*model.ckpt-10.index, model.ckpt-2.index, model.ckpt-3.index"):
        read_weights(tmp_path)
    note = 'model_checkpoint_path: "/home/somebody/run/model.ckpt-3"\nall_model_checkpoint_paths: "model.ckpt-2"\n'
    (tmp_path / "checkpoint").write_text(note)
    for source in (tmp_path, tmp_path / "checkpoint", options):
        assert read_weights(source).arrays["softmax.bias"][0] == 3
    assert read_weights(tmp_path / "model.ckpt-10").arrays["softmax.bias"][0] == 10
    assert read_weights([options, tmp_path / "model.ckpt-2"]).arrays["softmax.bias"][0] == 2


def test_info_of_a_checkpoint(parity: Path) -> None:
    facts = info(parity / "tf_checkpoint")
    assert facts["format"] == "TensorFlow checkpoint"
    assert facts["softmax"] == {"kind": "full", "n_words": 12, "cutoffs": []}
    facts = info(parity / "tf_checkpoint/tfhub")
    assert facts["scalar_mix"]["gamma"] != 1
    assert facts["more_scalar_mixes"] == []


def drop(name: str) -> Callable[[Variables], Any]:
    return lambda variables: [variables.pop(key, None) for key in (name, f"{name}/Adagrad")]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (drop("lm/CNN/b_cnn_1"), r"EL019.*lacks the array 'CNN/b_cnn_1'"),
        (drop("lm/RNN_1/rnn/multi_rnn_cell/cell_1/lstm_cell/bias"), r"EL019.*lacks the array 'RNN_1"),
        (drop("lm/char_embed"), r"EL133.*has 0 variables named char_embed. It contains"),
        (lambda v: v.update({"other/char_embed": np.ones((261, 4), np.float32)}), r"EL133.*has 2 variables"),
        (
            # Peepholes read the cell, and would change the outputs.
            lambda v: v.update({"lm/RNN_0/rnn/multi_rnn_cell/cell_0/lstm_cell/w_f_diag": np.ones(64, np.float32)}),
            r"EL134.*w_f_diag' is part of this model, but not of a biLM",
        ),
        (lambda v: v.update({"lm/CNN/b_cnn_1": np.ones(9, np.float32)}), r"EL020.*'CNN/b_cnn_1' has shape \(9,\)"),
        (lambda v: v.update({"lm/CNN/b_cnn_1": np.ones(8, np.int32)}), r"EL021.*contains int32"),
        (
            lambda v: v.update({"lm/softmax/b": np.ones(11, np.float32)}),
            r"EL020.*'softmax.bias' has shape \(11,\)",
        ),
    ],
)
def test_variables_of_no_bilm(
    tmp_path: Path, options: Path, trained: Variables, change: Callable[[Variables], Any], match: str
) -> None:
    variables = dict(trained)
    change(variables)
    with pytest.raises(ValueError, match=match):
        read_weights(write(tmp_path / "model.ckpt-1", variables))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (drop("bilm/CNN/b_cnn_1"), r"EL019"),
        (drop("bilm/RNN_0/RNN/MultiRNNCell/Cell0/rnn/lstm_cell/bias"), r"EL135.*'RNN_0.*/B' is missing"),
        (lambda v: v.update({"bilm/char_embed": np.ones(3, np.float32)}), r"EL135.*'char_embed' has shape \(3,\)"),
        (lambda v: v.update({"aggregation/weights": np.ones(4, np.float32)}), r"EL020.*'scalar_mix.weights'"),
    ],
)
def test_incomplete_modules(
    tmp_path: Path, published: Variables, change: Callable[[Variables], Any], match: str
) -> None:
    variables = dict(published)
    change(variables)
    with pytest.raises(ValueError, match=match):
        read_weights(write(tmp_path / "variables", variables))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_shard(parity: Path, tmp_path: Path, share: float) -> None:
    for path in (parity / "tf_checkpoint/sharded").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    shards = data_files(tmp_path / "variables.index")
    assert len(shards) == 2
    for shard in shards:
        whole = shard.read_bytes()
        shard.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=r"EL164.*variables.index.*data-0000[01]-of-00002.* contain "):
            read_weights(tmp_path)
        shard.write_bytes(whole)
    shards[1].unlink()
    with pytest.raises(ValueError, match=r"EL164.*variables"):
        read_weights(tmp_path)


@pytest.mark.parametrize("size", [0, 10, 1000, -1])
def test_a_truncated_index(parity: Path, tmp_path: Path, size: int) -> None:
    for path in (parity / "tf_checkpoint/sharded").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    index = tmp_path / "variables.index"
    index.write_bytes(index.read_bytes()[:size])
    for source in (tmp_path, index, tmp_path / "variables"):
        with pytest.raises(ValueError, match=r"EL023.*variables.index' is truncated or damaged"):
            read_weights(source)


def test_a_damaged_index(parity: Path, tmp_path: Path) -> None:
    for path in (parity / "tf_checkpoint/sharded").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    index = tmp_path / "variables.index"
    whole = index.read_bytes()
    for place in range(0, len(whole) - 48, 97):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        index.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"EL023.*variables.index"):
            read_weights(tmp_path)


def test_a_damaged_number(parity: Path, tmp_path: Path) -> None:
    """TensorFlow's checksums are compared."""
    shutil.copytree(parity / "tf_checkpoint/tfhub", tmp_path / "copy", copy_function=shutil.copyfile)
    (shard,) = data_files(tmp_path / "copy/variables/variables.index")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ValueError, match="EL023"):
        read_weights(tmp_path / "copy")


def test_without_tensorflow(parity: Path, tmp_path: Path) -> None:
    """The message has the command to install it. Other formats do not import TensorFlow."""
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import spacy_elmo\n"
        f"spacy_elmo.load({str(parity / 'bilm/base')!r})\n"
        f"spacy_elmo.load({str(parity / 'manylangs/char')!r})\n"
        "for name in ('tfhub', 'sparknlp'):\n"
        f"    try: spacy_elmo.load({str(parity / 'tf_checkpoint')!r} + '/' + name)\n"
        "    except ImportError as error: print(error)\n"
    )
    lines = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    assert [line[:7] for line in lines] == ["[EL130]", "[EL130]", ""]
    assert all("pip install tensorflow." in line for line in lines[:2])


def test_a_broken_tensorflow(parity: Path, tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise TypeError('Descriptors cannot be created.')")
    code = f"import spacy_elmo; spacy_elmo.load({str(parity / 'tf_checkpoint/tfhub')!r})"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert "ImportError: [EL165]" in done.stderr
    assert "cannot be imported (Descriptors cannot be created.)" in done.stderr


@pytest.mark.needs("triton")
def test_after_tensorflow(parity: Path) -> None:
    """Users of TF Hub have imported TensorFlow themselves; Triton must then not be imported after it."""
    code = (
        "import tensorflow, spacy_elmo\n"
        f"spacy_elmo.load({str(parity / 'tf_checkpoint/tfhub')!r}).embed([['a', 'bank']])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.needs("triton")
def test_optimizers_after_tensorflow(parity: Path) -> None:
    """TensorFlow, loaded before Triton, makes Triton's import crash, which torch needs for its first optimizer."""
    code = (
        "import torch, spacy_elmo\n"
        f"spacy_elmo.load({str(parity / 'tf_checkpoint/tfhub')!r})\n"
        "torch.optim.AdamW([torch.zeros(1, requires_grad=True)])\n"
        "import triton\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_names_of_files(parity: Path) -> None:
    names: list[str] = [path.name for path in data_files(parity / "tf_checkpoint/model.ckpt-123456.index")]
    assert names == ["model.ckpt-123456.data-00000-of-00001"]
