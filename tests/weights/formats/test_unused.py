"""Arrays beside those of the model: AllenNLP reads what it needs, and what would change the outputs is refused."""

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.weights.formats import allennlp
from spacy_elmo.weights.source import read_weights
from tests.data import ROOT, read_case
from tests.weights.formats.test_hdf5 import CELL, change_options, edit


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def test_fewer_layers(copy: Path, tiny: Path) -> None:
    """UKP's releases of the first two layers, should their files have the third: AllenNLP reads what it needs."""
    change_options(copy, lambda options: options["lstm"].update(n_layers=1))
    with pytest.warns(
        UserWarning, match=r"WL086.*weights.hdf5: these arrays are ignored.*Cell1/LSTMCell/B.*/W_P_0"
    ) as caught:
        found = read_weights(copy)
    assert len(caught) == 1
    expected = read_weights(tiny).arrays
    assert expected.keys() - found.arrays.keys() == {name for name in expected if "layers.1" in name}
    assert all(np.array_equal(expected[name], array) for name, array in found.arrays.items())


@pytest.mark.parametrize("n_layers", [1, 2])
def test_fewer_layers_as_allennlp(parity: Path, tmp_path: Path, n_layers: int) -> None:
    """What AllenNLP gave for the lower layers of the whole model."""
    case = read_case(parity / "bilm/tanh_deep")
    folder = Path(shutil.copytree(parity / "bilm/tanh_deep", tmp_path / "model"))
    change_options(folder, lambda options: options["lstm"].update(n_layers=n_layers))
    with edit(folder) as file:
        file["step"] = 7
    with pytest.warns(UserWarning, match=r"WL086.*Cell2/LSTMCell/B"):
        outputs = spacy_elmo.load(folder).embed(case.sentences)
    for output, expected in zip(outputs, case.expected, strict=True):
        np.testing.assert_allclose(output.stack(), expected[: n_layers + 1], atol=1e-4)


def test_arrays_of_other_parts(copy: Path, tiny: Path) -> None:
    """They are not even read: one of them claims more memory than there is."""
    with edit(copy) as file:
        file["softmax/W"] = np.zeros((9, 8), np.float32)
        file["Adagrad/char_embed"] = np.zeros(3)
        file["step"] = 7
        file["notes"] = "of the authors"
        file.create_dataset("huge", shape=(1 << 45,), dtype="f4", chunks=(1 << 20,))
        file["nothing"] = h5py.Empty("f4")
        file.create_group("empty")
    with pytest.warns(UserWarning, match=r"WL086.*Adagrad/char_embed, huge, notes, nothing, softmax/W, step\."):
        found = read_weights(copy)
    expected = read_weights(tiny)
    assert found.options == expected.options
    assert found.arrays.keys() == expected.arrays.keys()
    assert all(np.array_equal(expected.arrays[name], array) for name, array in found.arrays.items())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("CNN_high_1/W_carry", (28, 28)),
        ("CNN/W_cnn_3", (1, 4, 4, 8)),
        ("CNN_proj/gate", (8,)),
        ("char_embed_2/char_embed", None),
        (f"{CELL}/W_F_diag", (24,)),
        ("RNN_0/RNN/LayerNorm/gamma", (8,)),
        ("RNN_1/RNN/MultiRNNCell/Cell0/LSTMCell/LSTMCell/B", (96,)),
        ("RNN_0/RNN/MultiRNNCell/Cell99999999999/LSTMCell/B", (96,)),
    ],
)
def test_parts_of_another_network(copy: Path, name: str, shape: tuple[int, ...] | None) -> None:
    """More highway layers or filters, peepholes, normalisation: without them, the vectors would be others."""
    with edit(copy) as file:
        file[name] = np.zeros(shape or 1, np.float32)
    if shape is None:
        with pytest.warns(UserWarning, match="WL086"):
            read_weights(copy)
        return
    with pytest.raises(ValueError, match=rf"EL022.*'{name}' is not part of the model"):
        read_weights(copy)


def test_projection_that_options_leave_out(copy: Path) -> None:
    """AllenNLP projects whatever the widths are, and bilm-tf does not where they are the same."""
    change_options(copy, lambda options: options["lstm"].update(projection_dim=28, dim=28))
    with pytest.raises(ValueError, match=r"EL019|EL020|EL022"):
        read_weights(copy)


def test_names_not_text(copy: Path) -> None:
    """They could control a terminal."""
    with edit(copy) as file:
        file["\x1b[2J\x07evil"] = np.zeros(3, np.float32)
    with pytest.warns(UserWarning, match=r"WL086.*\\x1b\[2J\\x07evil") as caught:
        read_weights(copy)
    assert str(caught[0].message).isprintable()
    with edit(copy) as file:
        file["CNN/\x1b[2J\x07evil"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"EL022.*'CNN/\\x1b\[2J\\x07evil' is not part") as raised:
        read_weights(copy)
    assert str(raised.value).isprintable()


# The state_dict of an ELMo


def change_state(tmp_path: Path, **tensors: Any) -> Path:
    """A copy of AllenNLP's file without mixes, with other tensors beside its own."""
    state = torch.load(ROOT / "tests/allennlp/two_mixes/weights.th", weights_only=True)
    state = {name: tensor for name, tensor in state.items() if "scalar_mix" not in name}
    torch.save(
        {**state, **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}, tmp_path / "a.th"
    )
    return tmp_path / "a.th"


def test_state_with_upper_layers(copy: Path, tiny: Path, tmp_path: Path) -> None:
    change_options(copy, lambda options: options["lstm"].update(n_layers=1))
    with pytest.warns(UserWarning, match=r"WL086.*a.th: .*backward_stack.layers.1.input_linear.bias"):
        found = allennlp.read(copy / "options.json", change_state(tmp_path)).arrays
    expected = read_weights(tiny).arrays
    assert expected.keys() - found.keys() == {name for name in expected if "layers.1" in name}
    assert all(np.array_equal(expected[name], array) for name, array in found.items())


def test_mixes_of_more_layers(copy: Path) -> None:
    """They weight a layer that the model of these options does not have."""
    change_options(copy, lambda options: options["lstm"].update(n_layers=1))
    with pytest.raises(ValueError, match=r"EL020.*'scalar_mix.weights' has shape \(3,\)"):
        allennlp.read(copy / "options.json", ROOT / "tests/allennlp/two_mixes/weights.th")


def test_state_with_stored_ids(copy: Path, tmp_path: Path) -> None:
    path = change_state(
        tmp_path,
        _elmo_lstm___token_embedder___beginning_of_sentence_characters=torch.zeros(50, dtype=torch.int64),
        classifier__weight=torch.zeros(3, 4),
    )
    with pytest.warns(UserWarning, match=r"WL086.*_token_embedder._beginning_of_sentence_characters\.") as caught:
        found = allennlp.read(copy / "options.json", path)
    # The rest of a model is no part of the ELMo.
    assert len(caught) == 1
    assert found.arrays.keys() == read_weights(copy).arrays.keys()


def test_state_of_another_network(copy: Path, tmp_path: Path) -> None:
    path = change_state(tmp_path, _elmo_lstm___token_embedder___norm__weight=torch.ones(8))
    with pytest.raises(ValueError, match=r"EL022.*_token_embedder._norm.weight' is not part of the model"):
        allennlp.read(copy / "options.json", path)


def test_own_format_is_exact(copy: Path, tmp_path: Path) -> None:
    """Nothing but this package writes it: another array is a mistake."""
    from spacy_elmo.weights.formats import folder

    weights = read_weights(copy)
    folder.write_folder(tmp_path / "saved", weights.options, {**weights.arrays, "more": np.zeros(3)})
    with pytest.raises(ValueError, match=r"EL022.*'more' is not part"):
        read_weights(tmp_path / "saved")
