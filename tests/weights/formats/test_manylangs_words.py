"""ELMoForManyLangs by words alone: char_dim 0, as in its configs/cnn_0_100_512_4096_sample.json."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc

import spacy_elmo
from spacy_elmo.bilm.build import build_char_encoder, build_parts, pop_prefix
from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.bilm.options import Options
from spacy_elmo.cli.export import export
from spacy_elmo.cli.info import format_facts, info
from spacy_elmo.cli.warm import warm
from spacy_elmo.compat.elmoformanylangs import Embedder
from spacy_elmo.inference.cuda.encoder import CudaEncoder
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.torch import ElmoModule
from spacy_elmo.weights.formats import manylangs
from spacy_elmo.weights.source import read_weights
from tests.data import worst
from tests.word_models import (
    CONFIG,
    CONFIG_NAME,
    SENTENCES,
    WORD_DIM,
    WORDS,
    check_new_weights,
    expect_layers,
    make_arrays,
    write_model,
)

# As for the goldens of ELMoForManyLangs: float32 against float64.
CLOSE = 1e-4


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "words")


@pytest.fixture(scope="module")
def expected() -> list[np.ndarray]:
    return [expect_layers(sentence) for sentence in SENTENCES]


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text("utf-8"))
    edit(data)
    path.write_text(json.dumps(data), "utf-8")


def stack(outputs: list[LayerOutputs]) -> list[np.ndarray]:
    return [output.stack() for output in outputs]


def test_reference_uses_the_clips(expected: list[np.ndarray]) -> None:
    assert max(float(np.abs(layers[1]).max(initial=0)) for layers in expected) == 3
    assert expected[4].shape == (3, 0, 12)


def test_every_way_to_compute(model: Path, way: str, expected: list[np.ndarray]) -> None:
    assert worst(stack(spacy_elmo.load(model).embed(SENTENCES)), expected) < CLOSE


@pytest.mark.parametrize(("precision", "most"), [("fp32", CLOSE), ("fp64", 1e-12)])
def test_embed(model: Path, expected: list[np.ndarray], precision: PrecisionName, most: float) -> None:
    assert worst(stack(spacy_elmo.load(model, precision=precision).embed(SENTENCES)), expected) < most


@pytest.mark.parametrize("ending", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_archives(model: Path, tmp_path: Path, ending: str, expected: list[np.ndarray]) -> None:
    archive = shutil.make_archive(str(tmp_path / "ja.model"), ending, tmp_path, "words")
    assert worst(stack(spacy_elmo.load(archive).embed(SENTENCES)), expected) < CLOSE


@pytest.mark.parametrize("name", ["config.json", "encoder.pkl", "token_embedder.pkl"])
def test_any_file(model: Path, name: str) -> None:
    assert read_weights(model / name).options == read_weights(model).options


def test_options(model: Path) -> None:
    options = read_weights(model).options
    assert (options.char_cnn.filters, options.char_cnn.embedding_dim, options.char_cnn.n_highway) == ((), 0, 0)
    assert options.words is not None
    assert list(options.words.vocabulary) == WORDS
    assert options.has_own_vocabulary
    assert options.has_char_projection
    assert Options.from_json(options.to_json()) == options


def test_encoder_of_gpus(model: Path) -> None:
    """On the CPU, where it computes the same."""
    weights = read_weights(model)
    tensors = pop_prefix(build_parts(weights.options, weights.arrays).bilm, "char_encoder.")
    encoder = CudaEncoder(
        build_char_encoder(weights.options, tensors), options=weights.options, device=torch.device("cpu")
    )
    with torch.inference_mode():
        found = encoder.encode(["the", "unknown"])
    np.testing.assert_allclose(found.numpy(), expect_layers(["the", "unknown"])[0, :, :6], atol=1e-5, rtol=0)


def test_saved_and_loaded(model: Path, tmp_path: Path, expected: list[np.ndarray]) -> None:
    spacy_elmo.load(model).save(tmp_path / "saved")
    again = spacy_elmo.load(tmp_path / "saved")
    assert again.options == read_weights(model).options
    assert worst(stack(again.embed(SENTENCES)), expected) < CLOSE
    assert worst(stack(pickle.loads(pickle.dumps(again)).embed(SENTENCES)), expected) < CLOSE


def test_pipeline(model: Path, tmp_path: Path, expected: list[np.ndarray]) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("elmo_embedder", config={"source": str(model), "pooling_layer": "lstm_outputs2"})
    nlp.initialize()
    nlp.to_disk(tmp_path / "saved")
    shutil.rmtree(model)
    for pipeline in (nlp, spacy.load(tmp_path / "saved")):
        for words, layers in zip(SENTENCES[:3], expected):
            doc = pipeline(Doc(pipeline.vocab, words=words))
            np.testing.assert_allclose(doc.tensor, layers[2], atol=CLOSE, rtol=0)


def test_other_programs_interface(model: Path, expected: list[np.ndarray]) -> None:
    embedder = Embedder(model)
    assert worst(embedder.sents2elmo(SENTENCES, -2), expected) < CLOSE
    assert embedder.config["token_embedder"]["char_dim"] == 0


def test_numbers_of_tokens(model: Path, expected: list[np.ndarray]) -> None:
    """<oov> is 0, and padding of the module's ids is a row of zeros."""
    module = ElmoModule(model)
    ids = module.encode(SENTENCES)
    assert ids.shape == (5, 6, 2)
    assert ids[1, 0].tolist() == [1, 0]
    outputs = module(ids)
    assert outputs.mask.sum(dim=1).tolist() == [6, 1, 6, 4, 0]
    for row, layers in zip(outputs.layers["lstm_outputs2"], expected):
        np.testing.assert_allclose(row[: layers.shape[1]].detach().numpy(), layers[2], atol=CLOSE, rtol=0)
    ids[0, 0, 1] = len(WORDS)
    with pytest.raises(ValueError, match=rf"EL872.*{len(WORDS)}"):
        module(ids)


def numeric_gradient(place: tuple[int, int], part: int, name: str, tokens: list[str]) -> float:
    """Of the sum of all layers, by central differences in float64."""

    def total(step: float) -> float:
        arrays = make_arrays()
        array = arrays[part][name] = arrays[part][name].astype(np.float64)
        array[place] += step
        return float(expect_layers(tokens, arrays).sum())

    return (total(1e-5) - total(-1e-5)) / 2e-5


@pytest.mark.parametrize(
    ("ours", "part", "theirs", "place"),
    [
        ("char_encoder.word_embedding.weight", 0, "word_emb_layer.embedding.weight", (WORDS.index("captain"), 2)),
        ("char_encoder.word_embedding.weight", 0, "word_emb_layer.embedding.weight", (0, 1)),
        ("char_encoder.projection.weight", 0, "projection.weight", (1, 3)),
        ("forward_stack.layers.1.input_linear.weight", 1, "forward_layer_1.input_linearity.weight", (4, 2)),
        ("backward_stack.layers.0.projection.weight", 1, "backward_layer_0.state_projection.weight", (3, 1)),
    ],
)
def test_gradients(model: Path, ours: str, part: int, theirs: str, place: tuple[int, int]) -> None:
    tokens = ["the", "captain", "unknown"]
    engine = spacy_elmo.load(model, precision="fp64").trainable(dropout=0.0)
    batch = engine.begin_update([tokens], n_layers=2)
    # word_emb is shown twice side by side.
    found = batch.backprop([2 * torch.ones_like(batch.layers[0]), *map(torch.ones_like, batch.layers[1:])])
    gradient = found[engine.bilm.get_parameter(ours)]
    assert gradient.dtype == torch.float64
    assert float(gradient[place]) == pytest.approx(numeric_gradient(place, part, theirs, tokens), rel=1e-6)


def test_it_learns(model: Path) -> None:
    elmo = spacy_elmo.load(model)
    engine = elmo.trainable(dropout=0.0)
    batch = engine.begin_update([["the", "captain"], ["x"]], n_layers=2)
    found = batch.backprop([torch.ones_like(layer) for layer in batch.layers])
    learnt = {name for name, parameter in engine.bilm.named_parameters() if parameter in found}
    assert {"char_encoder.word_embedding.weight", "backward_stack.layers.1.input_linear.weight"} <= learnt
    check_new_weights(elmo, engine)


def test_warm_state(model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.tokens").write_text("the captain\nx the\n" * 100)
    warm(model, tmp_path / "text.tokens", tmp_path / "warm")
    cold, warmed = (
        spacy_elmo.load(tmp_path / "warm", initial_state=state).embed([["the"]])[0] for state in ("zero", "warm")
    )
    assert np.array_equal(cold.word_emb, warmed.word_emb)
    assert np.abs(cold.lstm_outputs1 - warmed.lstm_outputs1).max() > 1e-3


def test_info(model: Path) -> None:
    facts = info(model)
    assert facts["options"]["words"]["vocabulary"] == len(WORDS)
    assert facts["n_parameters"] == sum(array.size for part in make_arrays() for array in part.values())
    text = format_facts(facts)
    assert f"{len(WORDS)} known, {WORD_DIM} numbers each" in text
    assert "it reads words alone" in text


def test_not_in_hdf5(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"EL129.*its own vocabulary"):
        export(model, tmp_path / "pair", format="hdf5")


def test_the_sample_configuration(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is enough; these small arrays need smaller sizes in its place."""
    (model / CONFIG_NAME).unlink()
    change(model / "config.json", lambda c: c.update(config_path="configs/cnn_0_100_512_4096_sample.json"))
    with pytest.raises(ValueError, match=r"EL020.*requires \(512, 100\)|EL020.*requires \(12, 100\)"):
        read_weights(model)
    tokens = {**CONFIG["token_embedder"], "char_dim": 50}  # type: ignore[dict-item]
    monkeypatch.setattr(manylangs, "PUBLISHED", {**CONFIG, "token_embedder": tokens})
    assert read_weights(model).options.char_cnn.filters == ()


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda c: c["token_embedder"].update(word_dim=0), r"EL004.*char_dim' is 0, which contradicts .*word_dim"),
        (lambda c: c["token_embedder"].update(char_dim=-1), r"EL003.*'token_embedder.char_dim' is -1"),
        (lambda c: c["token_embedder"].update(char_dim=16), r"EL136.*char.dic is missing"),
        (lambda c: c["token_embedder"].update(word_dim=7), r"EL020.*word_embedding.weight' has shape \(12, 5\)"),
        (lambda c: c["token_embedder"].pop("char_dim"), r"EL002.*char_dim' is missing"),
    ],
)
def test_other_config(model: Path, edit: Any, match: str) -> None:
    change(model / CONFIG_NAME, edit)
    with pytest.raises((ValueError, FileNotFoundError), match=match):
        read_weights(model)


def test_a_layer_of_characters(model: Path) -> None:
    """The dictionary of another model, with characters, does not fit."""
    embedder, _ = make_arrays()
    tensors = {name: torch.from_numpy(array) for name, array in embedder.items()}
    torch.save({**tensors, "convolutions.0.weight": torch.zeros(4, 3, 1)}, model / "token_embedder.pkl")
    with pytest.raises(ValueError, match=r"EL022.*convolutions.0.weight"):
        read_weights(model)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda d: d["char_cnn"].update(n_highway=1), r"EL004.*'char_cnn.filters' is \[\]"),
        (lambda d: d["char_cnn"]["embedding"].update(dim=4), r"EL004.*'char_cnn.filters' is \[\]"),
        (lambda d: d["char_cnn"].update(characters={"a": 0}), r"EL003.*characters.a"),
        (lambda d: d.pop("words"), r"EL004.*words = null: a model reads characters, words or both"),
        (lambda d: d["char_cnn"].pop("characters"), r"EL003.*'char_cnn.n_characters' is 0|EL003.*filters"),
    ],
)
def test_contradictory_options(model: Path, edit: Any, match: str) -> None:
    data = read_weights(model).options.to_dict()
    edit(data)
    with pytest.raises(ValueError, match=match):
        Options.from_dict(data)
