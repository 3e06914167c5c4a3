import json
import os
import shutil
import tarfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.options import Options
from spacy_elmo.elmo import Elmo, Settings
from spacy_elmo.weights.arrays import Weights
from spacy_elmo.weights.formats import allennlp
from spacy_elmo.weights.formats.allennlp import Section, find_options, find_section
from spacy_elmo.weights.source import read_weights
from tests.data import ROOT, read_npz

GOLDEN = ROOT / "tests" / "allennlp"
EMBEDDER = "text_field_embedder.token_embedder_elmo."
ELMO = f"{EMBEDDER}_elmo."
BILM = f"{ELMO}_elmo_lstm."
# The places of the golden's options, here and when AllenNLP read them.
OPTIONS = "tests/tiny/options.json"
MIXES: dict[str, list[Any]] = {"weights": [[0.75, -0.5, 0.25], [-1.25, 0.5, 1.5]], "gamma": [1.5, -0.625]}

State = dict[str, torch.Tensor]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A copy of the unpacked archive, to change."""
    folder = tmp_path / "archive"
    with tarfile.open(GOLDEN / "model.tar.gz") as file:
        file.extractall(folder, filter="data")
    return folder


@pytest.fixture
def alone(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archive without options, in a working directory without them."""
    (archive / "options.json").unlink()
    monkeypatch.chdir(archive)
    return archive


@pytest.fixture
def golden() -> Mapping[str, np.ndarray]:
    return read_npz(GOLDEN / "expected.npz")


def read(folder: Path) -> Weights:
    return allennlp.read(folder / "config.json", folder / "weights.th")


def change_config(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    edit(config)
    path.write_text(json.dumps(config), "utf-8")


def embedder(config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = config["model"]["text_field_embedder"]["token_embedders"]["elmo"]
    return found


def name_options(folder: Path, name: str) -> None:
    change_config(folder, lambda config: embedder(config).update(options_file=name))


def change(folder: Path, edit: Callable[[State], Any]) -> None:
    """Change the tensors in place, or replace them by those returned."""
    state = torch.load(folder / "weights.th", weights_only=True)
    others = edit(state)
    torch.save(others if isinstance(others, dict) else state, folder / "weights.th")


def rename(folder: Path, old: str, new: str) -> None:
    change(folder, lambda state: {name.replace(old, new): tensor for name, tensor in state.items()})


def run(weights: Weights) -> Elmo:
    return Elmo.from_weights(weights, device=torch.device("cpu"), settings=Settings())


def embed(weights: Weights) -> np.ndarray:
    return np.concatenate([outputs.stack() for outputs in run(weights).embed(sentences())], axis=1)


def get_mix(elmo: Elmo) -> np.ndarray:
    return np.concatenate([outputs.elmo for outputs in elmo.embed(sentences())])


def sentences() -> list[list[str]]:
    found: list[list[str]] = json.loads((GOLDEN / "sentences.json").read_text("utf-8"))
    return found


def check_layers(got: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(got[0], expected[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(got[1:], expected[1:], rtol=0, atol=1e-4)


def test_layers(archive: Path, tiny: Path, golden: Mapping[str, np.ndarray]) -> None:
    weights = read(archive)
    assert (weights.format, weights.source) == ("AllenNLP archive", str(archive / "weights.th"))
    got = embed(weights)
    check_layers(got, golden["layers"])
    # They differ from the file that the training started from.
    assert (np.abs(got - embed(read_weights(tiny))).max(axis=(1, 2)) > 0.01).all()


def test_mix(archive: Path, golden: Mapping[str, np.ndarray]) -> None:
    weights = read(archive)
    assert weights.has_mix
    np.testing.assert_allclose(get_mix(run(weights)), golden["mix"], rtol=0, atol=1e-4)


def test_two_mixes(tiny: Path, golden: Mapping[str, np.ndarray]) -> None:
    """The state_dict of an `Elmo`, with its options beside it."""
    weights = allennlp.read(tiny / "options.json", GOLDEN / "two_mixes" / "weights.th")
    for prefix, k in (("scalar_mix", 0), ("scalar_mix_1", 1)):
        for part, values in MIXES.items():
            np.testing.assert_array_equal(weights.arrays[f"{prefix}.{part}"], values[k])
            assert weights.arrays[f"{prefix}.{part}"].shape == np.shape(values[k])
    elmo = run(weights)
    np.testing.assert_allclose(get_mix(elmo), golden["two_mixes"][0], rtol=0, atol=1e-4)
    elmo.mix = elmo.more_mixes[0]
    np.testing.assert_allclose(get_mix(elmo), golden["two_mixes"][1], rtol=0, atol=1e-4)


def test_conversion_is_exact(tiny: Path) -> None:
    """AllenNLP converted these arrays from a file that another reader of this package reads too."""
    got = allennlp.read(tiny / "options.json", GOLDEN / "two_mixes" / "weights.th")
    expected = read_weights(tiny)
    assert got.options == expected.options
    assert {name for name in got.arrays if not name.startswith("scalar_mix")} == set(expected.arrays)
    for name, array in expected.arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array)
    assert not got.arrays["char_encoder.embedding.weight"][0].any()


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "_elmo.",
        "model._elmo.",
        "_text_field_embedder.token_embedder_elmo._elmo.",
        "_text_field_embedder.token_embedder_character ids.weights.th._elmo.",
    ],
)
def test_anywhere_in_a_model(archive: Path, golden: Mapping[str, np.ndarray], prefix: str) -> None:
    rename(archive, ELMO, prefix)
    weights = read(archive)
    assert weights.has_mix
    check_layers(embed(weights), golden["layers"])


def test_a_bilm_without_mixes(archive: Path, golden: Mapping[str, np.ndarray]) -> None:
    change(
        archive,
        lambda state: {name[len(BILM) :]: part for name, part in state.items() if name.startswith(BILM)},
    )
    weights = read(archive)
    assert not weights.has_mix
    check_layers(embed(weights), golden["layers"])


def test_other_parts(archive: Path) -> None:
    """An ELMo with `vocab_to_cache` stores word vectors too."""
    expected = set(read(archive).arrays)
    change(archive, lambda state: state.update({f"{BILM}_word_embedding.weight": torch.zeros(9, 8)}))
    assert "encoder._module.weight_ih_l0" in torch.load(archive / "weights.th", weights_only=True)
    assert set(read(archive).arrays) == expected


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions(archive: Path, golden: Mapping[str, np.ndarray], dtype: torch.dtype) -> None:
    change(archive, lambda state: {name: tensor.to(dtype) for name, tensor in state.items()})
    got = embed(read(archive))
    np.testing.assert_allclose(got, golden["layers"], rtol=0, atol=0.05 if dtype == torch.float16 else 1e-5)


def test_as_a_source(archive: Path, golden: Mapping[str, np.ndarray]) -> None:
    for source in (GOLDEN / "model.tar.gz", archive, archive / "weights.th", archive / "config.json"):
        outputs = spacy_elmo.load(source).embed(sentences())
        check_layers(np.concatenate([one.stack() for one in outputs], axis=1), golden["layers"])


# Options


def test_without_options(alone: Path, tiny: Path) -> None:
    with pytest.warns(
        UserWarning, match=rf"WL014.*config\.json names the options '{OPTIONS}', which do not exist"
    ):
        options = read(alone).options
    true = Options.from_file(tiny / "options.json").to_dict()
    assert true["lstm"]["proj_clip"] == 1.5
    true["lstm"]["proj_clip"] = 3
    assert options.to_dict() == true


@pytest.mark.parametrize(
    "name", [OPTIONS, "D:\\models\\tiny\\my_options.json", "https://example.org/my_options.json"]
)
def test_options_beside(alone: Path, tiny: Path, name: str) -> None:
    name_options(alone, name)
    shutil.copy(tiny / "options.json", alone / name.replace("\\", "/").split("/")[-1])
    assert read(alone).options.lstm.proj_clip == 1.5


def test_options_beside_config(alone: Path, tiny: Path) -> None:
    name_options(alone, "my_options.json")
    shutil.copy(tiny / "options.json", alone)
    assert read(alone).options.lstm.proj_clip == 1.5


def test_no_options_outside_archive(alone: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content of an archive must not depend on the computer that reads it, or reveal its files."""
    monkeypatch.chdir(tiny.parent)
    for name in (str(tiny / "options.json"), "tiny/options.json", "/etc/passwd"):
        name_options(alone, name)
        with pytest.warns(UserWarning, match=rf"WL014.*names the options '{name}', which do not exist"):
            assert read(alone).options.lstm.proj_clip == 3


def test_options_in_archive(archive: Path, tiny: Path) -> None:
    """AllenNLP up to 0.9 copies them under their place in the configuration; they precede all others."""
    options = json.loads((tiny / "options.json").read_text("utf-8"))
    (archive / "fta").mkdir()
    place = "model.text_field_embedder.token_embedders"
    for name, clip in ((f"{place}.elmo.options_file", 2.5), (f"{place}.another.options_file", 7)):
        options["lstm"]["proj_clip"] = clip
        (archive / "fta" / name).write_text(json.dumps(options), "utf-8")
    shutil.copy(tiny / "weights.hdf5", archive / "fta" / f"{place}.elmo.weight_file")
    assert read(archive).options.lstm.proj_clip == 2.5
    # A copy under an unexpected name is better than none.
    (archive / "fta" / f"{place}.elmo.options_file").unlink()
    assert read(archive).options.lstm.proj_clip == 7


@pytest.mark.parametrize(
    "name", [None, "https://allennlp.s3.amazonaws.com/x/elmo_2x1024_128_2048cnn_1xhighway_options.json"]
)
def test_published_options(alone: Path, name: str) -> None:
    """None: AllenNLP uses those of the original model."""
    if name is None:
        change_config(alone, lambda config: embedder(config).pop("options_file"))
    else:
        name_options(alone, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(alone).options.lstm.proj_clip == 3


@pytest.mark.parametrize("config", [{"model": {"type": "simple_tagger"}}, [1], None, {"options_file": "x"}])
def test_config_without_elmo(alone: Path, config: Any) -> None:
    (alone / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.warns(UserWarning, match=r"WL014.*config\.json names no options of the ELMo"):
        read(alone)


def test_sections() -> None:
    first, second = {"options_file": "a.json"}, {"type": "elmo_token_embedder"}
    config = {"model": {"question": first, "more": [{"elmo": second}], "options_file": 3}}
    assert find_section(config, "_elmo.") == Section(("model",), config["model"])
    assert find_section(config["model"], "_elmo.") == Section(("question",), first)
    assert find_section(config, "x.token_embedder_elmo._elmo.") == Section(("model", "more", "0", "elmo"), second)
    assert find_section(config, "x.token_embedder_question._elmo.").options_name == "a.json"
    assert Section(("a",), {"options_file": 3}).options_file == ""


@pytest.mark.parametrize("name", ["//server/share/options.json", r"\\server\share\options.json"])
def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(os.path, "isfile", lambda path: asked.append(path))
    assert find_options(Section(("a",), {"options_file": name}), tmp_path / "config.json") is None
    assert asked
    assert all(path.parent == tmp_path for path in asked)


def test_other_options(archive: Path) -> None:
    path = archive / "options.json"
    path.write_text(path.read_text("utf-8").replace('"dim": 24', '"dim": 32'), "utf-8")
    match = (
        r"EL020.*'forward_stack.layers.0.input_linear.weight' has shape \(96, 8\), but '.*options\.json' requires"
    )
    with pytest.raises(ValueError, match=match):
        read(archive)


def test_layer_norm(archive: Path, golden: Mapping[str, np.ndarray]) -> None:
    change_config(archive, lambda config: embedder(config).update(do_layer_norm=True))
    with pytest.warns(
        UserWarning, match=r"WL013.*weights\.th: .*do_layer_norm = true.*word_emb and the LSTM layers"
    ):
        weights = read(archive)
    check_layers(embed(weights), golden["layers"])


# Other sizes and errors


def without_second_layer(state: State) -> State:
    return {
        name: tensor
        for name, tensor in state.items()
        if "ward_layer_1" not in name and not name.endswith("scalar_parameters.2")
    }


def test_one_layer(archive: Path, golden: Mapping[str, np.ndarray]) -> None:
    path = archive / "options.json"
    path.write_text(path.read_text("utf-8").replace('"n_layers": 2', '"n_layers": 1'), "utf-8")
    change(archive, without_second_layer)
    weights = read(archive)
    assert weights.arrays["scalar_mix.weights"].shape == (2,)
    # The first layers do not depend on those above.
    check_layers(embed(weights), golden["layers"][:2])


def test_single_layer_without_options(alone: Path) -> None:
    change(alone, without_second_layer)
    with pytest.warns(UserWarning, match="WL014"):
        assert read(alone).options.lstm.n_layers == 1


def test_one_layer_of_two(archive: Path) -> None:
    change(archive, without_second_layer)
    with pytest.raises(
        ValueError, match=r"EL019.*lacks the array 'forward_stack\.layers\.1\.input_linear\.weight'"
    ):
        read(archive)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("_token_embedder.char_conv_0.weight", "char_encoder.convolutions.0.weight"),
        ("_token_embedder.char_conv_1.weight", "char_encoder.convolutions.1.weight"),
        ("_token_embedder.char_conv_2.bias", "char_encoder.convolutions.2.bias"),
        ("_token_embedder._highways._layers.0.weight", "char_encoder.highways.0.transform.weight"),
        ("_token_embedder._projection.weight", "char_encoder.projection.weight"),
        ("_token_embedder._projection.bias", "char_encoder.projection.bias"),
        ("_elmo_lstm.forward_layer_0.input_linearity.weight", "forward_stack.layers.0.input_linear.weight"),
        ("_elmo_lstm.forward_layer_1.state_linearity.bias", "forward_stack.layers.1.input_linear.bias"),
        ("_elmo_lstm.backward_layer_1.state_projection.weight", "backward_stack.layers.1.projection.weight"),
    ],
)
@pytest.mark.parametrize("with_options", [True, False])
def test_missing(
    archive: Path, monkeypatch: pytest.MonkeyPatch, theirs: str, ours: str, with_options: bool
) -> None:
    change(archive, lambda state: {name: tensor for name, tensor in state.items() if name != BILM + theirs})
    if not with_options:
        name_options(archive, "https://example.org/elmo_2x1024_128_2048cnn_1xhighway_options.json")
        (archive / "options.json").unlink()
        monkeypatch.chdir(archive)
    with pytest.raises(ValueError, match=rf"EL019.*lacks the array '{ours}'"):
        read(archive)


def test_missing_gamma(archive: Path) -> None:
    change(archive, lambda state: state.pop(f"{ELMO}scalar_mix_0.gamma"))
    with pytest.raises(ValueError, match=r"EL019.*'scalar_mix\.gamma'"):
        read(archive)


def test_incomplete_mix(archive: Path) -> None:
    change(archive, lambda state: state.pop(f"{ELMO}scalar_mix_0.scalar_parameters.1"))
    with pytest.raises(ValueError, match=r"EL020.*'scalar_mix\.weights' has shape \(2,\)"):
        read(archive)


def test_order_of_many_layers() -> None:
    numbers = {f"x.scalar_mix_0.scalar_parameters.{k}": np.array([float(k)]) for k in (10, 2, 1, 0, 11)}
    np.testing.assert_array_equal(allennlp._mix_arrays(numbers, "x.")["scalar_mix.weights"], [0, 1, 2, 10, 11])
    assert allennlp._mix_arrays(numbers, "y.") == {}


def test_unknown_part(archive: Path) -> None:
    name = f"{BILM}_elmo_lstm.forward_layer_0.peephole"
    change(archive, lambda state: state.update({name: torch.zeros(1)}))
    with pytest.raises(ValueError, match=rf"EL022.*'{name}' is not part of the model"):
        read(archive)


def test_two_elmos(archive: Path) -> None:
    other = "_question.token_embedder_elmo._elmo."
    change(archive, lambda state: {**state, **{name.replace(ELMO, other): part for name, part in state.items()}})
    with pytest.raises(
        ValueError, match=rf"EL162.*contains 2 ELMos: .* begin with '{ELMO}', '{other}'\. Choose one"
    ):
        read(archive)


def test_no_elmo(archive: Path) -> None:
    change(archive, lambda state: {name: part for name, part in state.items() if ELMO not in name})
    with pytest.raises(
        ValueError, match=r"EL163.*none of its names ends with .*_char_embedding_weights.*encoder\._mod"
    ):
        read(archive)
    torch.save({}, archive / "weights.th")
    with pytest.raises(ValueError, match=r"EL163.*It contains nothing"):
        read(archive)


def test_nan_is_counted(archive: Path) -> None:
    change(archive, lambda state: state[f"{BILM}_token_embedder._projection.bias"].fill_(torch.nan))
    with pytest.warns(UserWarning, match=r"WL001.*8 of .*char_encoder\.projection\.bias"):
        read(archive)


def test_integers(archive: Path) -> None:
    name = f"{BILM}_token_embedder._projection.bias"
    change(archive, lambda state: state.update({name: torch.zeros(8, dtype=torch.int64)}))
    with pytest.raises(ValueError, match=r"EL021.*'char_encoder\.projection\.bias' contains int64"):
        read(archive)


def test_damaged_configuration(archive: Path) -> None:
    (archive / "config.json").write_text('{"model": ', "utf-8")
    with pytest.raises(ValueError, match=r"EL005.*config\.json is not valid JSON"):
        read(archive)


def test_no_configuration(archive: Path) -> None:
    """The state_dict is enough; what else its training knew is in no array."""
    for path in archive.iterdir():
        if path.is_file() and path.name != "weights.th":
            path.unlink()
    with pytest.warns(UserWarning, match=r"WL084.*weights\.th' has no options beside it"):
        assert read_weights(archive).has_mix


def test_holds_bilm(archive: Path, tiny: Path, tmp_path: Path) -> None:
    assert allennlp.holds_bilm(archive / "weights.th")
    assert allennlp.holds_bilm(GOLDEN / "two_mixes" / "weights.th")
    torch.save({"encoder.weight": torch.zeros(1)}, tmp_path / "other.th")
    assert not allennlp.holds_bilm(tmp_path / "other.th")
    assert not allennlp.holds_bilm(tiny / "weights.hdf5")
