"""google/elmo of TF Hub in NumPy: outputs, both signatures, and what is refused."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.compat import tfhub as hub
from spacy_elmo.errors import ElmoError
from spacy_elmo.weights import catalogue
from tests.data import TINY, Measured, read_npz

TEXTS = ["a small boat left", "it  rained all night ", "", "ever"]
TOKENS = [
    ["a", "small", "boat", "left"],
    ["it", "rained", "all", "night"],
    ["", "", "", ""],
    ["ever", "not", "read", ""],
]
LENGTHS = [4, 4, 0, 1]
P = 8


class Tensor:
    """What tensors of TensorFlow have in common: `numpy()` gives bytes, or arrays of bytes."""

    def __init__(self, value: Any):
        self.value = value

    def numpy(self) -> Any:
        return self.value


@pytest.fixture(scope="module")
def elmo() -> hub.Module:
    return hub.Module(TINY)


def call(elmo: hub.Module, inputs: object, signature: str = "default") -> dict[str, hub.EagerArray]:
    outputs = elmo(inputs, signature=signature, as_dict=True)
    assert isinstance(outputs, dict)
    return outputs


def check_equal(one: Mapping[str, np.ndarray], two: Mapping[str, np.ndarray]) -> None:
    assert list(one) == list(two)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.needs("tensorflow")
def test_golden(measured: Measured, parity: Path) -> None:
    """A module's folder of TF Hub's, with its mix."""
    every = json.loads((parity / "bilm/base/sentences.json").read_text("utf-8"))
    layers = read_npz(parity / "bilm/base/expected.npz")
    mixes = read_npz(parity / "tf_checkpoint/tfhub_expected_elmo.npz")
    chosen = [int(i) for i in mixes["sentence_indices"]]
    sentences = [every[i] for i in chosen]
    width = max(map(len, sentences))
    inputs = {
        "tokens": [[*tokens, *[""] * (width - len(tokens))] for tokens in sentences],
        "sequence_len": [len(tokens) for tokens in sentences],
    }
    outputs = call(hub.Module(str(parity / "tf_checkpoint/tfhub")), inputs, "tokens")
    furthest = 0.0
    for k, i in enumerate(chosen):
        n, golden = len(sentences[k]), layers[f"s{i}"]
        half = golden.shape[-1] // 2
        expected = {"word_emb": golden[0, :, :half], "lstm_outputs1": golden[1], "lstm_outputs2": golden[2]}
        expected.update(elmo=mixes[f"s{i}"], default=mixes[f"s{i}"].mean(axis=0, dtype=np.float64))
        for name, array in expected.items():
            got = outputs[name][k] if name == "default" else outputs[name][k, :n]
            furthest = max(furthest, float(np.abs(got - array).max()))
            assert name == "default" or not outputs[name][k, n:].any()
    measured(f"compat.tfhub  max abs difference: {furthest:.1e}")
    assert furthest <= 1e-4


def test_outputs(elmo: hub.Module) -> None:
    outputs = call(elmo, TEXTS)
    assert outputs["word_emb"].shape == (4, 4, P)
    assert outputs["lstm_outputs1"].shape == outputs["elmo"].shape == (4, 4, 2 * P)
    assert outputs["default"].shape == (4, 2 * P)
    assert list(outputs) == ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo", "default"]
    assert {array.dtype for array in outputs.values()} == {np.dtype(np.float32)}
    expected = spacy_elmo.load(TINY).embed([row[:n] for row, n in zip(TOKENS, LENGTHS)])
    for i, (output, n) in enumerate(zip(expected, LENGTHS)):
        for name, array in output.items():
            np.testing.assert_array_equal(outputs[name][i, :n], array)
            assert not outputs[name][i, n:].any()
        mean = output.elmo.mean(axis=0, dtype=np.float64) if n else np.zeros(2 * P)
        np.testing.assert_array_equal(outputs["default"][i], mean.astype(np.float32))


def test_both_signatures(elmo: hub.Module) -> None:
    check_equal(call(elmo, TEXTS), call(elmo, {"tokens": TOKENS, "sequence_len": LENGTHS}, "tokens"))


def test_without_as_dict(elmo: hub.Module) -> None:
    default = call(elmo, TEXTS)["default"]
    np.testing.assert_array_equal(elmo(TEXTS), default)
    np.testing.assert_array_equal(elmo(inputs=TEXTS, signature="default", as_dict=False), default)
    inputs = {"tokens": TOKENS, "sequence_len": LENGTHS}
    np.testing.assert_array_equal(elmo(inputs, signature="tokens"), default)


def test_columns_are_those_of_the_input(elmo: hub.Module) -> None:
    outputs = call(elmo, {"tokens": [["a", "b", "c"], ["d", "", ""]], "sequence_len": [1, 1]}, "tokens")
    assert outputs["elmo"].shape == (2, 3, 2 * P)
    assert not outputs["elmo"][:, 1:].any()
    # Rows may differ in length.
    ragged = call(elmo, {"tokens": [["a", "b", "c"], ["d"]], "sequence_len": [1, 1]}, "tokens")
    check_equal(outputs, ragged)


def test_only_spaces_split(elmo: hub.Module) -> None:
    got = call(elmo, ["one\ttwo\u00a0three\n four"])
    one = call(elmo, {"tokens": [["one\ttwo\u00a0three\n", "four"]], "sequence_len": [2]}, "tokens")
    check_equal(got, one)


@pytest.mark.parametrize(
    "texts",
    [
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        np.array([text.encode() for text in TEXTS]),
        np.array([text.encode() for text in TEXTS], object),
        [text.encode() for text in TEXTS],
        Tensor(np.array([text.encode() for text in TEXTS], object)),
        [Tensor(text.encode()) for text in TEXTS],
        {"text": TEXTS},
    ],
    ids=["tuple", "str", "object", "bytes", "object-bytes", "list-bytes", "tensor", "tensors", "dict"],
)
def test_texts_as_people_pass_them(elmo: hub.Module, texts: object) -> None:
    check_equal(call(elmo, texts), call(elmo, TEXTS))


@pytest.mark.needs("pandas")
def test_texts_of_a_series(elmo: hub.Module) -> None:
    import pandas as pd

    check_equal(call(elmo, pd.Series(TEXTS, index=[7, 8, 9, 10])), call(elmo, TEXTS))


@pytest.mark.parametrize(
    ("tokens", "lengths"),
    [
        (np.array(TOKENS), np.array(LENGTHS, np.int32)),
        (np.array(TOKENS, object), tuple(LENGTHS)),
        (np.array([[token.encode() for token in row] for row in TOKENS]), np.array(LENGTHS)),
        (
            Tensor(np.array(TOKENS, object)),
            Tensor(np.array(LENGTHS)),
        ),
        ([np.array(row) for row in TOKENS], [np.int64(length) for length in LENGTHS]),
    ],
    ids=["str", "object", "bytes", "tensor", "rows"],
)
def test_tokens_as_people_pass_them(elmo: hub.Module, tokens: object, lengths: object) -> None:
    check_equal(call(elmo, {"tokens": tokens, "sequence_len": lengths}, "tokens"), call(elmo, TEXTS))


def test_text_beyond_ascii(elmo: hub.Module) -> None:
    texts = ["Łódź ist schön 😀", "日本 語"]
    check_equal(call(elmo, texts), call(elmo, [text.encode("utf-8") for text in texts]))


def test_same_sentence_same_vectors(elmo: hub.Module) -> None:
    once = call(elmo, [TEXTS[0], TEXTS[1], TEXTS[0]])["elmo"]
    np.testing.assert_array_equal(once[0], once[2])
    np.testing.assert_array_equal(call(elmo, [TEXTS[0], TEXTS[1], TEXTS[0]])["elmo"], once)
    np.testing.assert_allclose(call(elmo, [TEXTS[0]])["elmo"][0], once[0], rtol=0, atol=1e-5)


def test_nothing_given(elmo: hub.Module) -> None:
    assert call(elmo, [])["elmo"].shape == (0, 0, 2 * P)
    assert elmo([]).shape == (0, 2 * P)  # type: ignore[union-attr]
    assert call(elmo, ["", " "])["elmo"].shape == (2, 0, 2 * P)
    assert not call(elmo, ["", " "])["default"].any()
    assert call(elmo, {"tokens": [], "sequence_len": []}, "tokens")["word_emb"].shape == (0, 0, P)
    assert call(elmo, {"tokens": [[], []], "sequence_len": [0, 0]}, "tokens")["word_emb"].shape == (2, 0, P)


@pytest.mark.parametrize(("name", "n_layers"), [("one_layer", 1), ("tanh_deep", 3)])
def test_other_numbers_of_layers(parity: Path, name: str, n_layers: int) -> None:
    outputs = call(hub.Module(parity / "bilm" / name), TEXTS)
    layers = [f"lstm_outputs{k + 1}" for k in range(n_layers)]
    assert list(outputs) == ["word_emb", *layers, "elmo", "default"]


def test_published_usage_with_sessions() -> None:
    """As code for TF1 goes, but for the import, and without session.run."""
    elmo = hub.Module("en_sm", trainable=False)
    embeddings = elmo(["our train was late", "we waited"], signature="default", as_dict=True)["elmo"]
    assert embeddings.shape == (2, 4, 256)
    tokens_input = [["our", "train", "was", "late"], ["we", "waited", "", ""]]
    again = elmo(inputs={"tokens": tokens_input, "sequence_len": [4, 2]}, signature="tokens", as_dict=True)["elmo"]
    np.testing.assert_array_equal(again, embeddings)
    pooled = elmo(["our train was late", "we waited"])
    assert isinstance(pooled, np.ndarray)
    np.testing.assert_allclose(pooled[1], embeddings[1, :2].mean(axis=0), atol=1e-6)
    # Sentences in batches, as data for a classifier.
    batches = [elmo(["one", "two words"], as_dict=True)["default"] for _ in range(2)]
    assert np.concatenate(batches, axis=0).shape == (4, 256)
    assert elmo.get_signature_names() == ["default", "tokens"]


def test_published_usage_with_signatures() -> None:
    """As code for TF2 goes, but for the import."""
    elmo = hub.load("en_sm")
    embed = elmo.signatures["default"]
    outputs = embed(Tensor(np.array([b"our train was late", b"we waited"], object)))
    assert type(outputs["elmo"].numpy()) is np.ndarray
    assert outputs["elmo"].numpy().shape == (2, 4, 256)
    tokens = elmo.signatures["tokens"](
        tokens=Tensor(np.array([[b"we", b"waited", b""]], object)), sequence_len=Tensor(np.array([2], np.int32))
    )
    assert tokens["word_emb"].shape == (1, 3, 128)
    np.testing.assert_allclose(tokens["default"][0], outputs["default"][1], rtol=0, atol=1e-5)
    assert set(elmo.signatures) == {"default", "tokens"}
    layer = hub.KerasLayer("en_sm", signature="default", output_key="elmo", input_shape=[], trainable=False)
    np.testing.assert_array_equal(layer(["our train was late", "we waited"]), outputs["elmo"])
    hub.load("en_sm", tags=[])


def test_keras_layer() -> None:
    expected = call(hub.Module(TINY), TEXTS)
    np.testing.assert_array_equal(hub.KerasLayer(TINY)(TEXTS), expected["default"])
    layer = hub.KerasLayer(TINY, signature="tokens", output_key="word_emb", name="below")
    np.testing.assert_array_equal(layer({"tokens": TOKENS, "sequence_len": LENGTHS}), expected["word_emb"])
    every = hub.KerasLayer(TINY, signature_outputs_as_dict=True)(TEXTS)
    assert isinstance(every, dict)
    check_equal(every, expected)
    assert layer.name == "below"


def test_pickled(elmo: hub.Module) -> None:
    again = pickle.loads(pickle.dumps(elmo))
    check_equal(call(again, TEXTS), call(elmo, TEXTS))
    array = pickle.loads(pickle.dumps(call(elmo, TEXTS)["elmo"]))
    np.testing.assert_array_equal(array.numpy(), call(elmo, TEXTS)["elmo"])


@pytest.mark.parametrize("version", [2, 3])
def test_address_names_the_published_model(version: int) -> None:
    entry = catalogue.resolve(f"https://tfhub.dev/google/elmo/{version}")
    assert entry is not None
    assert entry.name == f"tfhub/elmo/{version}"
    with pytest.raises(OSError, match=f"tfhub/elmo/{version}"):
        hub.Module(f"https://tfhub.dev/google/elmo/{version}")


@pytest.mark.parametrize("make", [hub.Module, hub.KerasLayer])
def test_trainable(make: Any) -> None:
    """As in the published examples, most of which only embed."""
    with pytest.warns(UserWarning, match=r"WL061.*spacy_elmo\.torch\.ElmoModule"):
        trained = make(TINY, trainable=True)
    np.testing.assert_array_equal(trained(["the cat"]), make(TINY)(["the cat"]))


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ("a small boat", r"the input|texts must be a list or one-dimensional array of texts; got 'a small boat'"),
        (b"a small boat", r"texts must be a list .* Put a single text into a list"),
        (np.array("one"), "texts must be a list"),
        (None, r"texts must be a list .* got None"),
        (["one", None], r"texts\[1\] must be a str, or bytes in UTF-8; got None"),
        (["one", float("nan")], r"texts\[1\] must be a str"),
        ([["one"], ["two"]], r"texts\[0\] must be a str.*list"),
        (np.array([["one"], ["two"]]), r"texts\[0\] must be a str"),
        (np.array([1, 2]), r"texts\[0\] must be a str.*got 1"),
        (["é".encode("latin-1")], r"texts\[0\] must be .*UTF-8.*Decode it before"),
        ({"tokens": TOKENS, "sequence_len": LENGTHS}, "the input must be one list of texts; got 2 inputs"),
        ({}, "got 0 inputs"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_texts(elmo: hub.Module, texts: object, words: str) -> None:
    with pytest.raises(ElmoError, match=rf"EL886.*'default'.*({words})"):
        elmo(texts, as_dict=True)
    with pytest.raises(ElmoError, match="EL886"):
        elmo(texts)


@pytest.mark.parametrize(
    ("tokens", "lengths", "words"),
    [
        (TOKENS, [4, 4, 0], "sequence_len must be 4 whole numbers"),
        (TOKENS, [4, 4, 0, 5], r"sequence_len\[3\] must be from 0 to 4, the length of its row; got 5"),
        (TOKENS, [4, -1, 0, 1], r"sequence_len\[1\] must be from 0 to 4.*got -1"),
        ([["a", "b"], ["c"]], [2, 2], r"sequence_len\[1\] must be from 0 to 1"),
        (TOKENS, [4.0, 4.0, 0.0, 1.0], "sequence_len must be 4 whole numbers"),
        (TOKENS, [True, True, True, True], "sequence_len must be 4 whole numbers"),
        (TOKENS, None, "sequence_len must be 4 whole numbers.*got None"),
        (TOKENS, 4, "sequence_len must be 4 whole numbers.*got 4"),
        (TEXTS, LENGTHS, r"tokens\[0\] must be a list or .* array of tokens; got 'a small boat left'"),
        (None, LENGTHS, "tokens must be a list of lists"),
        ([["a", None]], [1], r"tokens\[0\]\[1\] must be a str"),
        ([[b"\xff"]], [1], r"tokens\[0\]\[0\] must be .*UTF-8"),
        (np.array(["a", "b"]), [1, 1], r"tokens\[0\] must be a list"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_tokens(elmo: hub.Module, tokens: object, lengths: object, words: str) -> None:
    with pytest.raises(ElmoError, match=rf"EL886.*'tokens'.*{words}"):
        elmo({"tokens": tokens, "sequence_len": lengths}, signature="tokens")


WRONG_NAMES = [TEXTS, {"tokens": TOKENS}, {"tokens": TOKENS, "lengths": LENGTHS}, None]


@pytest.mark.parametrize("inputs", WRONG_NAMES, ids=str)
def test_wrong_names(elmo: hub.Module, inputs: object) -> None:
    with pytest.raises(ElmoError, match=r"EL886.*the inputs must be named 'tokens', 'sequence_len'"):
        elmo(inputs, signature="tokens")


def test_padding_within_the_length(elmo: hub.Module) -> None:
    with pytest.warns(UserWarning, match="WL046"):
        elmo({"tokens": [["a", ""]], "sequence_len": [2]}, signature="tokens")


def test_wrong_choices(elmo: hub.Module) -> None:
    with pytest.raises(ElmoError, match=r"EL887.*signature = 'words' .*Allowed: 'default', 'tokens'"):
        elmo(TEXTS, signature="words")
    with pytest.raises(ElmoError, match=r"EL887.*signature = 'words'"):
        hub.KerasLayer(TINY, signature="words")
    with pytest.raises(ElmoError, match=r"EL887.*output_key = 'lstm_outputs3' .*'elmo', 'default'"):
        hub.KerasLayer(TINY, output_key="lstm_outputs3")
    with pytest.raises(KeyError):
        hub.load(TINY).signatures["words"]
