import json
import os
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
from spacy_elmo.cli.export import export
from spacy_elmo.cli.info import format_facts, info
from spacy_elmo.weights.formats import manylangs
from spacy_elmo.weights.formats.manylangs import PUBLISHED, PUBLISHED_NAME, _read_symbols
from spacy_elmo.weights.source import read_weights
from tests.data import read_case
from tests.platforms import named_pipes
from tests.word_models import check_new_weights


@pytest.fixture(params=["char", "word_char"])
def model(request: pytest.FixtureRequest, parity: Path, tmp_path: Path) -> Path:
    """A copy of a model, to change."""
    return Path(
        shutil.copytree(
            parity / "manylangs" / request.param, tmp_path / request.param, copy_function=shutil.copyfile
        )
    )


@pytest.fixture
def word_char(parity: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(parity / "manylangs/word_char", tmp_path / "copy", copy_function=shutil.copyfile))


def change(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_text("utf-8"))
    edit(data)
    path.write_text(json.dumps(data), "utf-8")


def get_sample(folder: Path) -> Path:
    return next(folder.glob("tiny_*.json"))


def same(one: Path, other: Path) -> bool:
    a, b = read_weights(one), read_weights(other)
    return a.options == b.options and all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)


def test_any_file_or_archive(model: Path, tmp_path: Path) -> None:
    expected = read_weights(model)
    archive = Path(shutil.make_archive(str(tmp_path / "144"), "zip", model))
    for source in [archive, *(model / name for name in ("config.json", "encoder.pkl", "token_embedder.pkl"))]:
        found = read_weights(source)
        assert found.options == expected.options
        assert found.arrays.keys() == expected.arrays.keys()


def test_config_places(model: Path) -> None:
    """ELMoForManyLangs required users to edit its path in config.json; here it is found."""
    original = Path(shutil.copytree(model, model.parent / "original"))
    (model / "configs").mkdir()
    moved = shutil.move(get_sample(model), model / "configs")
    assert same(model, original)
    shutil.copy(moved, model / "config.json")
    shutil.rmtree(model / "configs")
    assert same(model, original)


def test_missing_config(model: Path) -> None:
    name = get_sample(model).name
    get_sample(model).unlink()
    with pytest.raises(FileNotFoundError, match=rf"EL128.*config.json' names.*{name}.*{PUBLISHED_NAME}"):
        read_weights(model)


def test_published_config(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published archives name it by a path of the authors' computer, and do not include it."""
    original = Path(shutil.copytree(model, model.parent / "original"))
    path = f"/users4/somebody/{PUBLISHED_NAME}"
    change(model / "config.json", lambda config: config.update(config_path=path))
    with pytest.raises(
        (ValueError, FileNotFoundError), match=r"EL019.*lacks the array|EL136.*word.dic is missing"
    ):
        read_weights(model)
    # These small arrays need another configuration in its place.
    monkeypatch.setattr(manylangs, "PUBLISHED", json.loads(get_sample(model).read_text("utf-8")))
    get_sample(model).unlink()
    assert same(model, original)


def test_the_published_sizes() -> None:
    """As its name and the model cards say: 2 x 4096 with projection 512, 100 for words, 50 for characters."""
    published: Any = PUBLISHED
    encoder, tokens = published["encoder"], published["token_embedder"]
    sizes = (tokens["char_dim"], tokens["word_dim"], encoder["projection_dim"], encoder["dim"])
    assert "cnn_{}_{}_{}_{}_sample.json".format(*sizes) == PUBLISHED_NAME
    assert sum(number for _, number in tokens["filters"]) == 2048


def test_pipeline_with_vocabulary(model: Path, tmp_path: Path) -> None:
    """The vocabulary is saved, loaded and pickled with the weights."""
    case = read_case(model)
    nlp = spacy.blank("xx")
    nlp.add_pipe("elmo_embedder", config={"source": str(model), "pooling_layer": "lstm_outputs2"})
    sentences = [[token for token in sentence if not token.isspace()] for sentence in case.sentences]
    whole = [i for i, sentence in enumerate(sentences) if sentence == case.sentences[i]]
    assert len(whole) > 10
    nlp.initialize()
    nlp.to_disk(tmp_path / "saved")
    shutil.rmtree(model)
    other = spacy.blank("xx")
    other.add_pipe("elmo_embedder", config={"pooling_layer": "lstm_outputs2"})
    for pipeline in (nlp, spacy.load(tmp_path / "saved"), other.from_bytes(nlp.to_bytes())):
        for i in whole:
            doc = pipeline(Doc(pipeline.vocab, words=sentences[i]))
            np.testing.assert_allclose(doc.tensor, case.expected[i][2], atol=1e-4, rtol=0)


def test_it_learns(model: Path) -> None:
    elmo = spacy_elmo.load(model)
    engine = elmo.trainable(dropout=0.0)
    layers, _, backprop = engine.begin_update([["the", "captain"], ["x"]], n_layers=2)
    found = backprop([torch.ones_like(layer) for layer in layers])
    gradients = {name: found.get(parameter) for name, parameter in engine.bilm.named_parameters()}
    assert gradients.keys() == {name for name in elmo.named_arrays() if not name.startswith("scalar_mix")}
    learnt = {name for name, gradient in gradients.items() if gradient is not None and bool(gradient.any())}
    assert {"char_encoder.embedding.weight", "backward_stack.layers.1.input_linear.weight"} <= learnt
    assert ("char_encoder.word_embedding.weight" in learnt) == (model.name == "word_char")
    check_new_weights(elmo, engine)


def test_info_counts_vocabularies(word_char: Path) -> None:
    facts = info(word_char)
    assert facts["options"]["char_cnn"]["characters"] == 71
    assert facts["options"]["words"]["vocabulary"] == 21
    assert facts["n_parameters"] == sum(int(np.prod(shape)) for _, shape in facts["arrays"].values())
    text = format_facts(facts)
    assert "code points, 71 known" in text
    assert "21 known, 7 numbers each" in text


def test_not_in_hdf5(word_char: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"EL129.*its own vocabulary.*Save the model as safetensors"):
        export(word_char, tmp_path / "pair", format="hdf5")
    assert not list((tmp_path / "pair").glob("*"))


def test_cannot_continue_pretraining(word_char: Path, tmp_path: Path) -> None:
    from spacy_elmo.pretraining.config import ModelConfig
    from spacy_elmo.pretraining.start import Start

    with pytest.raises(ValueError, match=r"EL139.*its own vocabulary"):
        Start.from_config(ModelConfig(source=str(word_char)))


def test_lines_of_a_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "char.dic"
    path.write_text("a\t0\n\u3000\t1\nnew york\t2\nb \t3\r\n", "utf-8")
    assert _read_symbols(path) == {"a": 0, "\u3000": 1, "new york": 2, "b ": 3}


def test_symbols_equal_after_stripping(word_char: Path) -> None:
    """The program that made the model strips U+00A0, U+2009 and U+3000 alike: the last line counts, and the other
    vectors are never used."""
    path = word_char / "char.dic"
    before = read_weights(word_char)
    lines = path.read_text("utf-8").split("\n")
    letters = ["b", "v"]
    for letter, blank in zip(letters, "\u00a0\u2009"):
        at = next(at for at, line in enumerate(lines) if line.startswith(f"{letter}\t"))
        lines[at] = lines[at].replace(letter, blank)
    path.write_text("\n".join(lines), "utf-8")
    after = read_weights(word_char)
    cnn, was = after.options.char_cnn, before.options.char_cnn
    assert cnn.characters is not None
    assert was.characters is not None
    assert (cnn.n_characters, len(cnn.characters)) == (was.n_characters - 2, was.n_characters - 2)
    vectors, old = (weights.arrays["char_encoder.embedding.weight"] for weights in (after, before))
    last = max(was.characters[symbol] for symbol in [*letters, "\u3000"])
    np.testing.assert_array_equal(vectors[cnn.characters["\u3000"]], old[last])
    for symbol in was.characters.keys() - {*letters, "\u3000"}:
        np.testing.assert_array_equal(vectors[cnn.characters[symbol]], old[was.characters[symbol]])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a\t0\nb\n", r"EL061.*char.dic, line 2"),
        ("a\t0\n\nb\t1\n", r"EL061.*char.dic, line 2"),
        ("a\tb\t0\n", r"EL061.*line 1"),
        ("a\t-1\n", r"EL061.*line 1"),
        ("a\t" + "9" * 30, r"EL061.*line 1"),
        ("a\t0\n", r"EL137.*no line for <oov>, <pad>, <bow>, <eow>, <bos>, <eos>"),
        ("", r"EL137"),
    ],
)
def test_a_bad_dictionary(model: Path, text: str, match: str) -> None:
    (model / "char.dic").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=match):
        read_weights(model)


@named_pipes
def test_dictionary_is_pipe(word_char: Path) -> None:
    (word_char / "char.dic").unlink()
    os.mkfifo(word_char / "char.dic")
    with pytest.raises(ValueError, match=r"EL251.*char.dic' is a named pipe"):
        read_weights(word_char)


def test_dictionary_not_text(model: Path) -> None:
    (model / "char.dic").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"EL023.*char.dic"):
        read_weights(model)


@pytest.mark.parametrize("name", ["char.dic", "word.dic"])
def test_a_missing_file(word_char: Path, name: str) -> None:
    (word_char / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"EL136.*its file {name} is missing\. The folder contains .*config.json"
    ):
        read_weights(word_char)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda c: c["encoder"].update(name="lstm"), r"EL003.*'encoder.name' is 'lstm'"),
        (lambda c: c["token_embedder"].update(name="lstm"), r"EL003.*'token_embedder.name'"),
        (lambda c: c["token_embedder"].update(char_dim=0), r"EL022.*convolutions.0.weight' \(with 10 more\)"),
        (lambda c: c["token_embedder"].update(n_highway=3), r"EL019.*lacks the array .*highways.1"),
        (lambda c: c["encoder"].update(dim=11), r"EL004.*|EL020"),
        (lambda c: c["encoder"].update(n_layers=1), r"EL022.*layers.1"),
        (lambda c: c["token_embedder"].update(word_dim=0), r"EL022.*word_embedding"),
        (lambda c: c.pop("encoder"), r"EL002.*'encoder' is missing"),
    ],
)
def test_other_config(word_char: Path, edit: Any, match: str) -> None:
    change(get_sample(word_char), edit)
    with pytest.raises(ValueError, match=match):
        read_weights(word_char)


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        (
            "word.dic",
            lambda lines: lines[:-5],
            r"EL256.*word.dic has 16 symbols.*token_embedder.pkl' has 21 vectors.*missing",
        ),
        ("word.dic", lambda lines: [*lines, "beyond\t21"], r"EL256.*has 22 symbols.*'beyond' has the number 21"),
        ("word.dic", lambda lines: [*lines, "again\t3"], r"EL256.*and 'again' have the same number, 3"),
        ("word.dic", lambda lines: [*lines, lines[4].replace("4", "5")], r"EL257.*word.dic, line 22: the symbol"),
        (
            "char.dic",
            lambda lines: [x for x in lines if not x.startswith("e\t")],
            r"EL256.*char.dic has .*missing",
        ),
    ],
)
def test_other_dictionary(word_char: Path, name: str, change: Any, match: str) -> None:
    """Every vector has a symbol. With the wrong dictionary, the model would give wrong vectors."""
    lines = (word_char / name).read_text("utf-8").split("\n")[:-1]
    (word_char / name).write_text("\n".join(change(lines)) + "\n", "utf-8")
    with pytest.raises(ValueError, match=match):
        read_weights(word_char)


def test_repeated_line(word_char: Path) -> None:
    before = read_weights(word_char).options
    text = (word_char / "word.dic").read_text("utf-8")
    (word_char / "word.dic").write_text(text + text.split("\n")[3] + "\n", "utf-8")
    assert read_weights(word_char).options == before


def test_without_config(word_char: Path) -> None:
    (word_char / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"EL136.*its file config.json is missing"):
        read_weights(word_char)


def test_a_tensor_of_no_part(model: Path) -> None:
    tensors = torch.load(model / "encoder.pkl", weights_only=True, map_location="cpu")
    torch.save({**tensors, "forward_layer_0.peephole": torch.zeros(3)}, model / "encoder.pkl")
    with pytest.raises(ValueError, match=r"EL022.*'forward_layer_0.peephole' is not part"):
        read_weights(model)


def test_default_output(model: Path) -> None:
    """The mean of all layers, which is the output of an untrained mix."""
    case = read_case(model)
    for output, expected in zip(spacy_elmo.load(model).embed(case.sentences), case.expected):
        np.testing.assert_allclose(output.elmo, expected.mean(axis=0), atol=1e-4, rtol=0)


def test_other_sizes_of_characters(word_char: Path) -> None:
    """As Stockmark's cnn_16_100_512_4096.json, whose characters have 16 numbers."""
    name = "cnn_16_100_512_4096.json"
    get_sample(word_char).rename(word_char / name)
    change(word_char / "config.json", lambda config: config.update(config_path=f"configs/{name}"))
    change(word_char / name, lambda config: config["token_embedder"].update(char_dim=16))
    path = word_char / "token_embedder.pkl"
    tensors = torch.load(path, weights_only=True, map_location="cpu")
    for key, tensor in tensors.items():
        if key.startswith("convolutions") and tensor.dim() == 3:
            tensors[key] = torch.randn(tensor.size(0), 16, tensor.size(2))
    n_symbols = tensors["char_emb_layer.embedding.weight"].size(0)
    tensors["char_emb_layer.embedding.weight"] = torch.randn(n_symbols, 16)
    torch.save(tensors, path)
    elmo = spacy_elmo.load(word_char)
    assert elmo.options.char_cnn.embedding_dim == 16
    exact = spacy_elmo.load(word_char, precision="fp64").embed([["the", "captain"]])
    np.testing.assert_allclose(elmo.embed([["the", "captain"]])[0].stack(), exact[0].stack(), atol=1e-4, rtol=0)
