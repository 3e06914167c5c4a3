"""Flair's ELMoEmbeddings: values, saved models, and training."""

import copy
import logging
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.errors import ElmoError
from spacy_elmo.weights import catalogue
from tests.data import TINY, Measured, read_case, worst
from tests.extras import is_installed

if is_installed("flair"):
    import flair
    from flair.data import Corpus, Sentence
    from flair.datasets import FlairDatapointDataset
    from flair.embeddings import DocumentPoolEmbeddings, HashEmbeddings, StackedEmbeddings
    from flair.embeddings.base import load_embeddings
    from flair.models import SequenceTagger
    from flair.trainers import ModelTrainer

    from spacy_elmo.compat.flair import ELMoEmbeddings

if TYPE_CHECKING:
    from flair.data import Sentence
    from flair.embeddings import StackedEmbeddings

pytestmark = pytest.mark.needs("flair")

TEXTS = [["We", "saw", "the", "river", "."], ["It", "froze"], ["We", "saw", "the", "river", "."]]
TAGGED = [
    ("the cat sat", "D N V"),
    ("a dog ran", "D N V"),
    ("those birds sang", "D N V"),
    ("cats run", "N V"),
]
P = 8


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Flair logs to stdout."""
    logger = logging.getLogger("flair")
    level = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(level)


@pytest.fixture(scope="module")
def embeddings() -> "ELMoEmbeddings":
    return ELMoEmbeddings(TINY)


def make(texts: "list[list[str]]") -> "list[Sentence]":
    return [Sentence(text) for text in texts]


def vectors(embeddings: Any, texts: list[list[str]]) -> list[np.ndarray]:
    """The vectors of each sentence, (n_tokens, width)."""
    sentences = make(texts)
    embeddings.embed(sentences)
    return [
        np.array([token.embedding.detach().numpy() for token in sentence], np.float32).reshape(len(text), -1)
        for sentence, text in zip(sentences, texts)
    ]


def combine(layers: np.ndarray, mode: str) -> np.ndarray:
    """What each mode is, of (L + 1, n_tokens, 2P)."""
    if mode == "all":
        return np.concatenate(list(layers), axis=1)
    made: np.ndarray = layers[-1] if mode == "top" else layers.mean(axis=0)
    return made


@pytest.mark.parametrize("mode", ["all", "top", "average"])
@pytest.mark.parametrize("name", ["base", "tanh_deep", "one_layer"])
def test_goldens(measured: Measured, parity: Path, name: str, mode: str) -> None:
    case = read_case(parity / "bilm" / name)
    # Flair's tokens cannot be white space.
    kept = [i for i, tokens in enumerate(case.sentences) if all(token == token.strip() != "" for token in tokens)]
    embeddings = ELMoEmbeddings(parity / "bilm" / name, embedding_mode=mode)
    sentences = make([case.sentences[i] for i in kept])
    kept = [i for i, sentence in zip(kept, sentences) if [t.text for t in sentence] == case.sentences[i]]
    assert len(kept) > 20
    got = vectors(embeddings, [case.sentences[i] for i in kept])
    expected = [combine(case.expected[i], mode) for i in kept]
    assert [array.shape for array in got] == [array.shape for array in expected]
    assert {array.shape[1] for array in got} == {embeddings.embedding_length}
    difference = worst(got, expected)
    measured(f"compat.flair {name:<10}{mode:<8}  max abs difference: {difference:.1e}")
    assert difference <= 1e-4


def test_attributes(embeddings: "ELMoEmbeddings") -> None:
    assert embeddings.embedding_length == 3 * 2 * P
    assert embeddings.embedding_type == "word-level"
    assert embeddings.name == str(embeddings) == f"elmo-{TINY}-all"
    assert embeddings.get_names() == [embeddings.name]
    assert embeddings.static_embeddings
    assert f"model={embeddings.name}" in repr(embeddings)
    assert ELMoEmbeddings("en_sm", embedding_mode="top").name == "elmo-en_sm-top"
    assert not list(embeddings.parameters())


@pytest.mark.parametrize("name", ["original", "small", "medium", "large", "5.5B", "pt", "portuguese", "pubmed"])
def test_names_of_flair(name: str) -> None:
    entry = catalogue.resolve(name)
    assert entry is not None
    with pytest.raises(OSError, match=entry.name):
        ELMoEmbeddings(name)


def test_no_model_named() -> None:
    entry = catalogue.resolve("original")
    assert entry is not None
    with pytest.raises(OSError, match="original"):
        ELMoEmbeddings()


def test_pair_of_files() -> None:
    options, weights = TINY / "options.json", TINY / "weights.hdf5"
    embeddings = ELMoEmbeddings("mine", options_file=str(options), weight_file=str(weights))
    assert embeddings.name == "elmo-mine-all"
    assert worst(vectors(embeddings, TEXTS), vectors(ELMoEmbeddings(TINY), TEXTS)) == 0
    wrong = pytest.raises(ElmoError, match=r"EL025.*\[options, weights\]; got 1 path")
    with wrong:
        ELMoEmbeddings(options_file=str(options))
    with wrong:
        ELMoEmbeddings(weight_file=str(weights))


@pytest.mark.parametrize("mode", ["last", "", None])
def test_wrong_mode(mode: Any) -> None:
    with pytest.raises(ElmoError, match=r"EL887.*embedding_mode = .*Allowed: 'all', 'top', 'average'"):
        ELMoEmbeddings(TINY, embedding_mode=mode)


def test_same_sentence_same_vectors(embeddings: "ELMoEmbeddings") -> None:
    once = vectors(embeddings, TEXTS)
    np.testing.assert_array_equal(once[0], once[2])
    assert worst(vectors(embeddings, TEXTS), once) == 0
    assert worst(vectors(embeddings, TEXTS[:1]), once) <= 1e-5


def test_one_sentence(embeddings: "ELMoEmbeddings") -> None:
    sentence = Sentence(TEXTS[0])
    assert embeddings.embed(sentence) == [sentence]
    assert sentence[0].embedding.dtype == torch.float32
    assert sentence[0].embedding.device == flair.device
    assert not sentence[0].embedding.requires_grad
    sentence.clear_embeddings()
    assert not len(sentence[0].embedding)


def test_embedded_once(embeddings: "ELMoEmbeddings", monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = make(TEXTS)
    embeddings.embed(sentences)
    monkeypatch.setattr(spacy_elmo.Elmo, "embed", None)
    embeddings.embed(sentences)


def test_empty_sentences(embeddings: "ELMoEmbeddings") -> None:
    embeddings.embed([])
    embeddings.embed(Sentence(""))
    sentences = [Sentence(""), Sentence(TEXTS[0]), Sentence("")]
    embeddings.embed(sentences)
    assert len(sentences[1][0].embedding) == embeddings.embedding_length


def test_arrays_of_tokens_are_independent(embeddings: "ELMoEmbeddings") -> None:
    one, _, two = sentences = make(TEXTS)
    embeddings.embed(sentences)
    kept = two[0].embedding.clone()
    one[0].get_each_embedding()[0].zero_()
    assert torch.equal(two[0].embedding, kept)


@pytest.mark.parametrize("how", ["copy", "pickle"])
def test_copies(how: str) -> None:
    embeddings = ELMoEmbeddings(TINY, embedding_mode="average")
    embeddings.name = "renamed"
    again = copy.deepcopy(embeddings) if how == "copy" else pickle.loads(pickle.dumps(embeddings))
    assert again.name == "renamed"
    assert again.embedding_length == embeddings.embedding_length
    assert worst(vectors(again, TEXTS), vectors(embeddings, TEXTS)) == 0


def test_saved_as_flair_saves(tmp_path: Path) -> None:
    """The weights are in the file: the model may be gone when it is loaded."""
    spacy_elmo.load(TINY).save(tmp_path / "model")
    stack = StackedEmbeddings([ELMoEmbeddings(tmp_path / "model", embedding_mode="top"), HashEmbeddings(9, 4)])
    expected = vectors(stack, TEXTS)
    torch.save(stack.save_embeddings(), tmp_path / "saved.pt")
    for path in (tmp_path / "model").iterdir():
        path.unlink()
    again = load_embeddings(torch.load(tmp_path / "saved.pt", weights_only=False))
    # Flair's own HashEmbeddings lose the number in front of their name.
    assert again.get_names()[0] == stack.get_names()[0]
    assert again.embedding_length == stack.embedding_length
    assert worst(vectors(again, TEXTS), expected) == 0


def test_params_are_not_used_up() -> None:
    embeddings = ELMoEmbeddings(TINY, embedding_mode="top")
    params = embeddings.to_params()
    for _ in range(2):
        again = ELMoEmbeddings.from_params(params)
        assert str(again) == str(embeddings)
        assert worst(vectors(again, TEXTS), vectors(embeddings, TEXTS)) == 0


def test_published_usage() -> None:
    """As code for Flair goes, but for the import."""
    embedding = ELMoEmbeddings("en_sm")
    sentence = Sentence("The ferry was late again .")
    embedding.embed(sentence)
    for token in sentence:
        assert token.embedding.shape == (3 * 256,)
    stacked = StackedEmbeddings([embedding, ELMoEmbeddings("en_sm", embedding_mode="top"), HashEmbeddings(20, 5)])
    other = Sentence("Nobody was surprised .")
    stacked.embed(other)
    assert other[0].embedding.shape == (stacked.embedding_length,) == (4 * 256 + 5,)
    pooled = Sentence("Nobody was surprised .")
    document = DocumentPoolEmbeddings([ELMoEmbeddings(model="en_sm", embedding_mode="average")])
    document.embed(pooled)
    assert pooled.embedding.shape == (256,)


def make_tagged() -> "list[Sentence]":
    sentences = []
    for text, tags in TAGGED:
        sentence = Sentence(text.split())
        for token, tag in zip(sentence, tags.split()):
            token.add_label("pos", tag)
        sentences.append(sentence)
    return sentences


def make_tagger(corpus: "Corpus") -> "SequenceTagger":
    dictionary = corpus.make_label_dictionary("pos", add_unk=False)
    stack = StackedEmbeddings([ELMoEmbeddings("en_sm"), HashEmbeddings(20, 5)])
    return SequenceTagger(embeddings=stack, tag_dictionary=dictionary, tag_type="pos", hidden_size=16)


def make_corpus() -> "Corpus":
    data = FlairDatapointDataset(make_tagged())
    return Corpus(train=data, dev=data, test=data)


def predict(tagger: "SequenceTagger", text: str) -> str:
    sentence = Sentence(text.split())
    tagger.predict(sentence)
    return " ".join(token.get_label("pos").value for token in sentence)


# Flair 0.15 calls torch's old name of its scaler.
@pytest.mark.filterwarnings("ignore:.*torch.cuda.amp.GradScaler:FutureWarning")
def test_training(tmp_path: Path) -> None:
    flair.set_seed(1)
    corpus = make_corpus()
    trainer = ModelTrainer(make_tagger(corpus), corpus)
    result = trainer.train(tmp_path, learning_rate=0.5, mini_batch_size=2, max_epochs=10)
    assert result["test_score"] == 1
    for name in ("final-model.pt", "best-model.pt"):
        assert predict(SequenceTagger.load(tmp_path / name), "those dogs sang") == "D N V"


@pytest.mark.slow
def test_loaded_without_an_import(tmp_path: Path) -> None:
    """A process that has imported Flair alone loads a tagger with these embeddings."""
    tagger = make_tagger(make_corpus())
    tagger.save(tmp_path / "tagger.pt")
    code = f"""
from flair.data import Sentence
from flair.models import SequenceTagger

sentence = Sentence("those dogs sang".split())
SequenceTagger.load({str(tmp_path / "tagger.pt")!r}).predict(sentence)
print(*[token.get_label("pos").value for token in sentence])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == predict(tagger, "those dogs sang")
