"""bilm-tf's interface in NumPy: its ids, its model with and without carried state, its files, its mix."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.compat.bilm import (
    Batcher,
    BidirectionalLanguageModel,
    TokenBatcher,
    UnicodeCharsVocabulary,
    Vocabulary,
    dump_bilm_embeddings,
    dump_token_embeddings,
    weight_layers,
)
from spacy_elmo.errors import ElmoError
from spacy_elmo.util.atomic import WriteError
from spacy_elmo.weights.catalogue import BUNDLED_FOLDER
from tests.data import TINY, Measured, read_case, read_npz, shared_path, worst

CASES = [
    *(f"bilm/{name}" for name in ("base", "clipping", "one_layer", "short_chars", "tanh_deep")),
    *(f"bilm_tf_only/{name}" for name in ("no_clip", "no_cnn_proj", "no_highway", "no_projection", "no_skip")),
]
SENTENCES = [["A", "naïve", "cat", "sat", "."], ["It"], ["<S>", "漢字", "ran"], ["It"]]
WORDS = ["<S>", "</S>", "<UNK>", "the", "cat", "."]
OPTIONS, WEIGHTS = TINY / "options.json", TINY / "weights.hdf5"


@pytest.fixture(scope="module")
def model() -> BidirectionalLanguageModel:
    return BidirectionalLanguageModel(OPTIONS, WEIGHTS)


@pytest.fixture
def vocab_file(tmp_path: Path) -> str:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(WORDS), "utf-8")
    return str(path)


def tokens_of(output: dict[str, Any]) -> list[np.ndarray]:
    return [layers[:, :length] for layers, length in zip(output["lm_embeddings"], output["lengths"])]


def load_golden(name: str, **settings: Any) -> tuple[BidirectionalLanguageModel, Batcher]:
    folder = shared_path(f"parity/{name}")
    options = json.loads((folder / "options.json").read_text("utf-8"))
    model = BidirectionalLanguageModel(str(folder / "options.json"), str(folder / "weights.hdf5"), **settings)
    return model, Batcher(None, options["char_cnn"]["max_characters_per_token"])


# Vocabularies and ids.


def test_word_ids(vocab_file: str) -> None:
    vocabulary = Vocabulary(vocab_file, validate_file=True)
    assert (vocabulary.size, vocabulary.bos, vocabulary.eos, vocabulary.unk) == (6, 0, 1, 2)
    assert vocabulary.word_to_id("cat") == 4
    assert vocabulary.word_to_id("dog") == 2
    assert vocabulary.id_to_word(3) == "the"
    assert vocabulary.decode([3, 4, 5]) == "the cat ."
    ids = vocabulary.encode("the  dog\t.")
    assert ids.tolist() == [0, 3, 2, 5, 1]
    assert ids.dtype == np.int32
    assert vocabulary.encode(". the", reverse=True).tolist() == [1, 5, 3, 0]
    assert vocabulary.encode(["the cat", "cat"], split=False).tolist() == [0, 2, 4, 1]


def test_words_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes("\ufeff<S>\r\n!!!MAXTERMID\n twice \n</S>\n\ntwice\n".encode())
    vocabulary = Vocabulary(path)
    assert [vocabulary.id_to_word(number) for number in range(vocabulary.size)] == [
        "<S>",
        "twice",
        "</S>",
        "",
        "twice",
    ]
    assert vocabulary.word_to_id("twice") == 4
    assert vocabulary.unk == -1
    assert Vocabulary(path, limit=2).size == 2


def test_words_without_a_file() -> None:
    assert [Vocabulary(None).id_to_word(number) for number in range(3)] == WORDS[:3]
    assert Vocabulary(WORDS).encode("cat").tolist() == [0, 4, 1]


def test_character_ids_of_goldens() -> None:
    pairs = json.loads(shared_path("parity/charids.json").read_text("utf-8"))
    tokens = [token for token, _ in pairs]
    expected = np.array([ids for _, ids in pairs])
    batch = Batcher(None, 50).batch_sentences([tokens, ["."]])
    assert batch.shape == (2, len(tokens) + 2, 50)
    assert batch.dtype == np.int64
    np.testing.assert_array_equal(batch[0, 1:-1], expected)
    assert not batch[1, 3:].any()
    # With the words in the vocabulary, and one id lower in the class that is beneath.
    vocabulary = UnicodeCharsVocabulary(["<S>", "</S>", *tokens], 50)
    np.testing.assert_array_equal(vocabulary.word_char_ids[2:], expected - 1)
    assert all((vocabulary.word_to_char_ids(token) == ids - 1).all() for token, ids in zip(tokens, expected))


def test_character_ids_of_sentences() -> None:
    vocabulary = UnicodeCharsVocabulary(WORDS, 5)
    bos, eos = [258, 256, 259, 260, 260], [258, 257, 259, 260, 260]
    assert vocabulary.max_word_length == 5
    assert vocabulary.bos_chars.tolist() == vocabulary.word_char_ids[vocabulary.bos].tolist() == bos
    assert vocabulary.eos_chars.tolist() == vocabulary.word_to_char_ids("</S>").tolist() == eos
    # The cut is inside a character.
    expected = [bos, [258, 99, 97, 116, 259], [258, 97, 98, 195, 259], eos]
    ids = vocabulary.encode_chars("cat abé")
    assert ids.tolist() == expected
    assert ids.dtype == np.int32
    assert vocabulary.encode_chars("abé cat", reverse=True).tolist() == expected[::-1]
    assert vocabulary.encode_chars(["cat", "abé"], split=False).tolist() == expected
    # Of the constants that users read.
    constants = (vocabulary.bos_char, vocabulary.eos_char, vocabulary.bow_char, vocabulary.eow_char)
    assert (*constants, vocabulary.pad_char) == (256, 257, 258, 259, 260)


def test_characters_without_boundary_tokens_in_the_file() -> None:
    # There, the last word would be read as </S>.
    vocabulary = UnicodeCharsVocabulary(["a", "b"], 4)
    assert vocabulary.word_char_ids.tolist() == [[258, 97, 259, 260], [258, 98, 259, 260]]


def test_token_ids(vocab_file: str) -> None:
    batch = TokenBatcher(vocab_file).batch_sentences([["the", "dog", "."], [], ["cat"]])
    assert batch.tolist() == [[1, 4, 3, 6, 2], [1, 2, 0, 0, 0], [1, 5, 2, 0, 0]]
    assert batch.dtype == np.int64


@pytest.mark.parametrize("batcher", [Batcher(None, 50), TokenBatcher(None)], ids=["characters", "tokens"])
def test_no_sentences(batcher: Batcher | TokenBatcher) -> None:
    assert batcher.batch_sentences([]).shape[:2] == (0, 2)
    assert batcher.batch_sentences([[]]).shape[:2] == (1, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocabulary(["<S>", "a"], validate_file=True), "EL072.*lacks </S>, <UNK>"),
        (lambda: UnicodeCharsVocabulary(None, 2), "EL038.*'max_word_length'.*from 3 up; got 2"),
        (lambda: Batcher(None, "50"), "EL038.*got '50'"),  # type: ignore[arg-type]
        (lambda: Batcher(None, 50).batch_sentences(["The cat"]), "EL033.*sentence 0 is 'The cat'"),
        (lambda: Batcher(None, 50).batch_sentences("The cat"), "EL240"),
        (lambda: Batcher(None, 50).batch_sentences([["a", 1]]), "EL034.*token 1 of sentence 0"),  # type: ignore[list-item]
        (lambda: Vocabulary(None).encode(["The", "cat"]), "EL881.*split=False"),
        (lambda: Vocabulary(None).encode("The cat", split=False), "EL033"),
        (lambda: TokenBatcher(["a", "b"]), "EL884.*'<S>' is not in 'the list of words'"),
        (lambda: TokenBatcher(["<S>", "</S>", "a"]).batch_sentences([["a", "b"]]), "EL884.*'b'.*Batcher"),
    ],
)
def test_wrong_ids(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ElmoError, match=message):
        call()


def test_wrong_vocabulary_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Vocabulary(tmp_path / "missing.txt")
    (tmp_path / "latin.txt").write_bytes(b"<S>\n\xe9t\xe9\n")
    with pytest.raises(ElmoError, match=r"EL061.*line 2.*not UTF-8"):
        Vocabulary(tmp_path / "latin.txt")


# The model.


@pytest.mark.parametrize("name", CASES)
def test_model_of_goldens(measured: Measured, name: str) -> None:
    model, batcher = load_golden(name, max_batch_size=4)
    case = read_case(shared_path(f"parity/{name}"))
    got = []
    for start in range(0, len(case.sentences), 7):
        got += tokens_of(model(batcher.batch_sentences(case.sentences[start : start + 7])))
    difference = worst(got, case.expected)
    measured(f"compat.bilm {name:<30}  max abs difference: {difference:.1e}")
    assert difference <= 1e-4
    assert worst([one[0] for one in got], [one[0] for one in case.expected]) <= 1e-5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("base", "expected_stateful"),
        ("clipping", "expected_stateful"),
        ("base", "expected_stateful_varying"),
    ],
)
def test_carried_state_of_goldens(name: str, expected: str) -> None:
    # A batch is not cut with carried state, whose rows belong to their place in it.
    model, batcher = load_golden(f"bilm/{name}", initial_state="carry", max_batch_size=1)
    folder = shared_path(f"parity/bilm/{name}")
    case = read_case(folder, expected)
    for _ in range(2):
        got, start = [], 0
        for size in read_npz(folder / f"{expected}.npz")["batch_sizes"].tolist():
            got += tokens_of(model(batcher.batch_sentences(case.sentences[start : start + size])))
            start += size
        assert worst(got, case.expected) <= 1e-4
        model.reset_state()


def read_fixture() -> tuple[Path, list[list[list[str]]], list[list[np.ndarray]]]:
    """bilm-tf's own test data: sentences by list and number, and their top layer."""
    folder = shared_path("parity/bilm_tf_fixture")
    lists = json.loads((folder / "lm_embeddings_sentences.json").read_text("utf-8"))
    expected = []
    for number in range(3):
        with h5py.File(folder / f"lm_embeddings_{number}.hdf5", "r") as file:
            expected.append([np.concatenate(list(file[str(i)][...]), axis=-1) for i in range(10)])
    return folder, [[text.split() for text in texts] for texts in lists], expected


def check_fixture(model: BidirectionalLanguageModel, batcher: Batcher | TokenBatcher) -> None:
    _, sentences, expected = read_fixture()
    for i in range(10):
        batch = [sentences[k][i] for k in range(3)]
        output = model(batcher.batch_sentences(batch))
        assert output["lengths"].tolist() == [*map(len, batch)]
        for k in range(3):
            np.testing.assert_allclose(tokens_of(output)[k][2], expected[k][i], atol=1e-6)


def test_fixture_of_bilm_tf() -> None:
    folder, _, _ = read_fixture()
    model = BidirectionalLanguageModel(folder / "options.json", folder / "lm_weights.hdf5", initial_state="carry")
    check_fixture(model, Batcher(folder / "vocab_test.txt", 50))


def test_fixture_of_bilm_tf_by_tokens(tmp_path: Path) -> None:
    folder, sentences, _ = read_fixture()
    vocabulary = sorted({"<S>", "</S>", *(token for texts in sentences for text in texts for token in text)})
    (tmp_path / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    files = folder / "options.json", folder / "lm_weights.hdf5"
    dump_token_embeddings(tmp_path / "vocab.txt", *files, tmp_path / "embeddings.hdf5")
    model = BidirectionalLanguageModel(
        *files,
        use_character_inputs=False,
        embedding_weight_file=tmp_path / "embeddings.hdf5",
        max_batch_size=4,
        initial_state="carry",
    )
    check_fixture(model, TokenBatcher(tmp_path / "vocab.txt"))


def test_outputs(model: BidirectionalLanguageModel) -> None:
    output = model(Batcher(None, 50).batch_sentences(SENTENCES))
    assert {name: (array.shape, array.dtype) for name, array in output.items()} == {
        "lm_embeddings": ((4, 3, 5, 16), np.float32),
        "lengths": ((4,), np.int32),
        "token_embeddings": ((4, 7, 8), np.float32),
        "mask": ((4, 5), np.bool_),
    }
    assert output["lengths"].tolist() == [5, 1, 3, 1]
    assert output["mask"].tolist() == [[k < n for k in range(5)] for n in (5, 1, 3, 1)]
    layers, words = output["lm_embeddings"], output["token_embeddings"]
    assert not layers.swapaxes(1, 2)[~output["mask"]].any()
    np.testing.assert_array_equal(layers[0, 0], np.concatenate([words[0, 1:-1]] * 2, axis=1))
    # The boundary tokens are there in every row, and equal.
    np.testing.assert_array_equal(words[1, 0], words[0, 0])
    np.testing.assert_array_equal(words[1, 2], words[0, 6])
    assert not words[1, 3:].any()


@pytest.mark.parametrize("initial_state", ["zero", "warm"])
def test_equal_to_embed(warm_tiny: Path, initial_state: Any) -> None:
    files = warm_tiny / "options.json", warm_tiny / "weights.safetensors"
    model = BidirectionalLanguageModel(*files, initial_state=initial_state)
    expected = spacy_elmo.load(warm_tiny, initial_state=initial_state).embed(SENTENCES)
    got = tokens_of(model(Batcher(None, 50).batch_sentences(SENTENCES)))
    assert worst(got, [outputs.stack() for outputs in expected]) <= 1e-5


def test_same_sentence_same_vectors(model: BidirectionalLanguageModel) -> None:
    batcher = Batcher(None, 50)
    ids = batcher.batch_sentences(SENTENCES)
    once = tokens_of(model(ids))
    assert worst(tokens_of(model(ids)), once) == 0
    assert worst([once[1]], [once[3]]) <= 1e-6
    assert worst(tokens_of(model(ids[:1])), once[:1]) <= 1e-6
    small = BidirectionalLanguageModel(OPTIONS, WEIGHTS, max_batch_size=1)
    assert worst(tokens_of(small(ids)), once) <= 1e-6
    # Lists, other dtypes, and more padding than needed.
    assert worst(tokens_of(model(ids.tolist())), once) == 0
    padded = np.pad(ids.astype(np.int32), ((0, 0), (0, 3), (0, 0)))
    assert model(padded)["mask"].shape == (4, 8)
    assert worst(tokens_of(model(padded)), once) <= 1e-6


def test_empty_batches(model: BidirectionalLanguageModel) -> None:
    batcher = Batcher(None, 50)
    assert model(batcher.batch_sentences([]))["lm_embeddings"].shape == (0, 3, 0, 16)
    output = model(batcher.batch_sentences([[]]))
    assert output["lm_embeddings"].shape == (1, 3, 0, 16)
    assert output["lengths"].tolist() == [0]
    assert output["mask"].shape == (1, 0)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.zeros((2, 4, 49), int), r"shape \(batch, longest \+ 2, 50\), as Batcher\(..., 50\) gives; got shape"),
        (np.zeros((2, 4), int), "got shape"),
        (np.zeros((2, 1, 50), int), "got shape"),
        (np.ones((1, 3, 50)), "float64"),
        (np.full((1, 3, 50), 262), "from 262 to 262"),
        (np.full((1, 3, 50), -1), "from -1 to -1"),
        (np.zeros((1, 3, 50), int), r"a boundary token at either end.*got a sentence of 0 row\(s\)"),
        (np.array([[[1] * 50, [0] * 50, [1] * 50]]), "got zeros before or inside a sentence"),
        (np.ones((1, 3, 50), int), "got other characters there"),
        ("The cat", "got 'The cat'"),
    ],
)
def test_wrong_input(model: BidirectionalLanguageModel, ids: Any, message: str) -> None:
    with pytest.raises(ElmoError, match=f"EL882.*{message}"):
        model(ids)


def test_wrong_models(tmp_path: Path, vocab_file: str) -> None:
    with pytest.raises(ElmoError, match=r"EL882.*embedding_weight_file.*dump_token_embeddings"):
        BidirectionalLanguageModel(OPTIONS, WEIGHTS, use_character_inputs=False)
    with pytest.raises(ElmoError, match=r"EL038.*max_batch_size"):
        BidirectionalLanguageModel(OPTIONS, WEIGHTS, max_batch_size=0)
    with pytest.raises(ElmoError, match="initial_state"):
        BidirectionalLanguageModel(OPTIONS, WEIGHTS, initial_state="carried")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        BidirectionalLanguageModel(OPTIONS, tmp_path / "weights.hdf5")


def write_embeddings(path: Path, name: str = "embedding", data: Any = None, **more: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=data, **more)
    return path


def test_wrong_token_embeddings(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.hdf5"

    def load() -> BidirectionalLanguageModel:
        return BidirectionalLanguageModel(OPTIONS, WEIGHTS, False, path)

    with pytest.raises(FileNotFoundError):
        load()
    wrong: list[dict[str, Any]] = [
        {"data": np.zeros((3, 9), "f")},
        {"data": np.zeros((3, 8), "i")},
        {"data": np.zeros(8, "f")},
        {"name": "words", "data": np.zeros((3, 8), "f")},
        # What would be 30 GB of zeros.
        {"shape": (10**9, 8), "dtype": "f", "chunks": (1000, 8)},
    ]
    for case in wrong:
        write_embeddings(path, **case)
        with pytest.raises(ElmoError, match=r"EL882.*'embedding'.*must be floating-point.*\(n_words, 8\); got"):
            load()
    write_embeddings(tmp_path / "other.hdf5", data=np.zeros((3, 8), "f"))
    with h5py.File(path, "w") as file:
        file["embedding"] = h5py.ExternalLink("other.hdf5", "embedding")
    with pytest.raises(ElmoError, match="EL882"):
        load()
    path.write_bytes(b"\x89HDF\r\n\x1a\nno more")
    with pytest.raises(ElmoError, match="EL018"):
        load()
    write_embeddings(path, data=np.ones((3, 8), "f"))
    assert load()([[1, 3, 2]])["token_embeddings"][0].tolist() == [[1.0] * 8] * 3
    with pytest.raises(ElmoError, match=r"EL882.*from 0 to 3.*from 1 to 4"):
        load()([[1, 4, 2]])


# Files.


@pytest.mark.parametrize("initial_state", ["zero", "carry"])
def test_dump_of_layers(tmp_path: Path, initial_state: Any) -> None:
    lines = ["A naïve cat sat .", "", "  It \t ran\u3000away", "It"]
    (tmp_path / "text.txt").write_text("\n".join(lines), "utf-8")
    outfile = tmp_path / "layers.hdf5"
    dump_bilm_embeddings(
        tmp_path / "no vocab.txt", tmp_path / "text.txt", OPTIONS, WEIGHTS, outfile, initial_state=initial_state
    )
    elmo = spacy_elmo.load(TINY, initial_state=initial_state)
    expected = [elmo.embed([line.split()])[0].stack() for line in lines]
    with h5py.File(outfile, "r") as file:
        assert set(file) == {"0", "1", "2", "3"}
        assert all(file[str(k)].shape == (3, len(line.split()), 16) for k, line in enumerate(lines))
        assert all(file[str(k)].dtype == np.float32 for k in range(4))
        assert worst([file[str(k)][...] for k in range(4)], expected) <= 1e-6


def test_dump_of_goldens(tmp_path: Path) -> None:
    folder = shared_path("parity/bilm/base")
    case = read_case(folder)
    # Tokens that a line cannot hold are left out with their sentences.
    chosen = [k for k, tokens in enumerate(case.sentences) if " ".join(tokens).split() == tokens]
    assert len(chosen) > 20
    text = "".join(" ".join(case.sentences[k]) + "\n" for k in chosen)
    (tmp_path / "text.txt").write_text(text, "utf-8", newline="")
    files = str(tmp_path / "text.txt"), str(folder / "options.json"), str(folder / "weights.hdf5")
    dump_bilm_embeddings(None, *files, str(tmp_path / "layers.hdf5"))
    with h5py.File(tmp_path / "layers.hdf5", "r") as file:
        assert worst([file[str(k)][...] for k in range(len(chosen))], [case.expected[k] for k in chosen]) <= 1e-4


def test_dump_of_token_embeddings(tmp_path: Path) -> None:
    # Upstream's data: the token vectors of a vocabulary.
    folder = shared_path("parity/allennlp_fixture")
    files = folder / "vocab_test.txt", folder / "options.json", folder / "lm_weights.hdf5"
    dump_token_embeddings(*files, tmp_path / "embeddings.hdf5")
    with (
        h5py.File(tmp_path / "embeddings.hdf5", "r") as got,
        h5py.File(folder / "elmo_token_embeddings.hdf5") as file,
    ):
        assert list(got) == ["embedding"]
        assert got["embedding"].dtype == np.float32
        np.testing.assert_allclose(got["embedding"][...], file["embedding"][...], atol=1e-5, rtol=0)


def test_tokens_equal_characters(tmp_path: Path, model: BidirectionalLanguageModel) -> None:
    # More words than are computed at a time.
    words = [*WORDS, *(f"word{number}" for number in range(600))]
    dump_token_embeddings(words, OPTIONS, WEIGHTS, tmp_path / "embeddings.hdf5")
    by_tokens = BidirectionalLanguageModel(OPTIONS, WEIGHTS, False, tmp_path / "embeddings.hdf5", max_batch_size=2)
    sentences = [["the", "word599", "."], [], ["cat", "word0"]]
    got = by_tokens(TokenBatcher(words).batch_sentences(sentences))
    expected = model(Batcher(words, 50).batch_sentences(sentences))
    assert got.keys() == expected.keys()
    assert all(np.allclose(got[name], expected[name], atol=1e-6, rtol=0) for name in expected)


def test_unfinished_dumps(tmp_path: Path, vocab_file: str) -> None:
    outfile = tmp_path / "layers.hdf5"
    (tmp_path / "text.txt").write_bytes(b"The cat\n\xff\n")
    before = set(os.listdir(tmp_path))
    with pytest.raises(ElmoError, match=r"EL061.*line 2"):
        dump_bilm_embeddings(vocab_file, tmp_path / "text.txt", OPTIONS, WEIGHTS, outfile)
    with pytest.raises(FileNotFoundError):
        dump_bilm_embeddings(vocab_file, tmp_path / "missing.txt", OPTIONS, WEIGHTS, outfile)
    with pytest.raises(FileNotFoundError):
        dump_token_embeddings(tmp_path / "missing.txt", OPTIONS, WEIGHTS, outfile)
    with pytest.raises(WriteError):
        dump_token_embeddings(vocab_file, OPTIONS, WEIGHTS, tmp_path / "missing" / "embeddings.hdf5")
    assert set(os.listdir(tmp_path)) == before


# The mix.


def mix_formula(layers: np.ndarray, mask: np.ndarray, weights: np.ndarray, *, norm: bool) -> np.ndarray:
    """In float64, a layer at a time."""
    layers = layers.astype(np.float64)
    shares = np.exp(weights) / np.exp(weights).sum()
    total = np.zeros_like(layers[:, 0])
    for share, layer in zip(shares, layers.swapaxes(0, 1)):
        kept = layer[mask]
        total += share * ((layer - kept.mean()) / np.sqrt(kept.var() + 1e-12) if norm else layer)
    return total


@pytest.mark.parametrize("norm", [False, True])
def test_mix(model: BidirectionalLanguageModel, norm: bool) -> None:
    ops = model(Batcher(None, 50).batch_sentences(SENTENCES))
    weights = np.array([0.1, -0.3, 0.5])
    got = weight_layers("x", ops, 2.0, do_layer_norm=norm, weights=weights, gamma=1.1)
    expected = 1.1 * mix_formula(ops["lm_embeddings"], ops["mask"], weights, norm=norm)
    assert got["weighted_op"].dtype == np.float32  # type: ignore[union-attr]
    np.testing.assert_allclose(got["weighted_op"], expected, atol=1e-5, rtol=0)
    assert got["regularization_op"] == pytest.approx(2 * 0.35)


def test_mix_without_training(model: BidirectionalLanguageModel) -> None:
    ops = model(Batcher(None, 50).batch_sentences(SENTENCES))
    got = weight_layers("x", ops)
    np.testing.assert_allclose(got["weighted_op"], ops["lm_embeddings"].mean(axis=1), atol=1e-6, rtol=0)
    assert got["regularization_op"] == 0
    top = weight_layers("x", ops, l2_coef=1.0, use_top_only=True, do_layer_norm=True, gamma=2)
    np.testing.assert_array_equal(top["weighted_op"], 2 * ops["lm_embeddings"][:, -1])
    assert top["regularization_op"] == 0


def test_mix_of_goldens() -> None:
    """AllenNLP's ScalarMix has the same formula without layer norm, and with it another epsilon."""
    arrays = read_npz(shared_path("parity/mix/scalar_mix.npz"))
    for k in range(10):
        part = {
            name: arrays[f"c{k}_{name}"] for name in ("layers", "weights", "gamma", "do_layer_norm", "mask", "out")
        }
        ops = {"lm_embeddings": part["layers"].swapaxes(0, 1), "mask": part["mask"]}
        got = weight_layers(
            "x", ops, do_layer_norm=bool(part["do_layer_norm"]), weights=part["weights"], gamma=part["gamma"]
        )["weighted_op"]
        np.testing.assert_allclose(got, part["out"], atol=1e-5, rtol=0)


def test_mix_without_tokens() -> None:
    ops = {"lm_embeddings": np.zeros((1, 3, 2, 4), np.float32), "mask": np.zeros((1, 2), bool)}
    assert not np.any(weight_layers("x", ops, do_layer_norm=True)["weighted_op"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"weights": [0.0, 1.0]},
            r"weights must be an array of shape \(3,\), one for each layer; got one of shape",
        ),
        ({"weights": 1.0}, r"weights must be .*got 1\.0"),
        ({"gamma": np.ones(3)}, "gamma must be one number"),
        ({"mask": np.ones((1, 3), bool)}, r"bilm_ops\['mask'\] must be an array of shape \(1, 2\)"),
        ({"lm_embeddings": np.zeros((3, 2, 4))}, r"bilm_ops\['lm_embeddings'\] must be"),
    ],
)
def test_wrong_mix(change: dict[str, Any], message: str) -> None:
    ops = {"lm_embeddings": np.zeros((1, 3, 2, 4), np.float32), "mask": np.ones((1, 2), bool)}
    settings = {name: value for name, value in change.items() if name not in ops}
    ops.update({name: value for name, value in change.items() if name in ops})
    with pytest.raises(ElmoError, match=f"EL882.*{message}"):
        weight_layers("x", ops, **settings)


def test_published_usage(tmp_path: Path) -> None:
    """As code for bilm-tf goes, but for the import, and without a session."""
    datadir = str(BUNDLED_FOLDER)
    options_file = os.path.join(datadir, "options.json")
    weight_file = os.path.join(datadir, "weights.safetensors")
    vocab_file = str(tmp_path / "vocab_small.txt")
    context = [line.split() for line in ("A boat left the harbour at dawn .", "Nobody saw it .")]
    question = [["Who", "saw", "the", "boat", "?"]]
    words = {"<S>", "</S>", *question[0], *(token for sentence in context for token in sentence)}
    with open(vocab_file, "w") as fout:
        fout.write("\n".join(words))

    batcher = Batcher(vocab_file, 50)
    bilm = BidirectionalLanguageModel(options_file, weight_file)
    context_ids = batcher.batch_sentences(context)
    question_ids = batcher.batch_sentences(question)
    context_ops = bilm(context_ids)
    question_ops = bilm(question_ids)
    elmo_context_input = weight_layers("input", context_ops, l2_coef=0.0)
    elmo_question_input = weight_layers("input", question_ops, l2_coef=0.0, reuse=True)
    width = spacy_elmo.load().width("elmo")
    assert np.shape(elmo_context_input["weighted_op"]) == (2, 8, width)
    assert np.shape(elmo_question_input["weighted_op"]) == (1, 5, width)

    # With token embeddings that are written once for the words of a data set.
    token_embedding_file = str(tmp_path / "elmo_token_embeddings.hdf5")
    dump_token_embeddings(vocab_file, options_file, weight_file, token_embedding_file)
    bilm = BidirectionalLanguageModel(
        options_file, weight_file, use_character_inputs=False, embedding_weight_file=token_embedding_file
    )
    by_tokens = bilm(TokenBatcher(vocab_file).batch_sentences(context))
    np.testing.assert_allclose(by_tokens["lm_embeddings"], context_ops["lm_embeddings"], atol=1e-5, rtol=0)

    # The layers of a whole data set as a file.
    dataset_file = str(tmp_path / "dataset_file.txt")
    with open(dataset_file, "w") as fout:
        for sentence in context + question:
            fout.write(" ".join(sentence) + "\n")
    embedding_file = str(tmp_path / "elmo_embeddings.hdf5")
    dump_bilm_embeddings(vocab_file, dataset_file, options_file, weight_file, embedding_file)
    with h5py.File(embedding_file, "r") as fin:
        second = fin["1"][...]
    np.testing.assert_allclose(second, context_ops["lm_embeddings"][1, :, :4], atol=1e-5, rtol=0)
