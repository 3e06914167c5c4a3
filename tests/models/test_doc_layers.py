"""Layers stay with the tokens that they belong to."""

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.attrs import ORTH
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_elmo import install_hooks
from spacy_elmo.models.doc_layers import KEY, read_layers, same_tokens, token_hashes
from tests.components import get_embedder
from tests.data import TINY

TEXT = "I live in NewYork City now"


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(TINY), "vectors": True})
    return nlp


def split_and_merge(doc: Doc, split: int = 3, merge: int = 0) -> None:
    """As many tokens as before, but others."""
    with doc.retokenize() as retokenizer:
        text = doc[split].text
        retokenizer.split(doc[split], [text[:1], text[1:]], heads=[doc[split], doc[split]])
        retokenizer.merge(doc[merge : merge + 2])


READERS = [
    lambda doc: doc._.elmo,
    lambda doc: doc[1]._.elmo,
    lambda doc: doc[-1]._.elmo,
    lambda doc: doc[1:3]._.elmo,
    lambda doc: doc[0:0]._.elmo,
    lambda doc: doc.vector,
    lambda doc: doc[1].vector,
    lambda doc: doc[1:3].vector,
    lambda doc: doc.has_vector,
    lambda doc: doc.similarity(doc),
]


@pytest.mark.parametrize("read", READERS)
def test_one_split_and_one_merge(nlp: Language, read: Callable[[Doc], Any]) -> None:
    doc = nlp(TEXT)
    read(doc)
    split_and_merge(doc)
    assert len(doc) == 6
    with pytest.raises(ValueError, match=r"EL053.*row 0 is of 'I', but token 0 is 'I live'"):
        read(doc)
    assert len(get_embedder(nlp)(doc)._.elmo.elmo) == 6
    read(doc)


@pytest.mark.parametrize("read", READERS)
def test_a_doc_with_the_user_data_of_another(nlp: Language, read: Callable[[Doc], Any]) -> None:
    old = nlp("I saw the old bank")
    words = ["I", "saw", "the", "new", "bank"]
    new = Doc(nlp.vocab, words=words, user_data=old.user_data)
    install_hooks(new)
    with pytest.raises(ValueError, match=r"EL053.*row 3 is of 'old', but token 3 is 'new'"):
        read(new)
    # The same words in another Doc have the same layers, whatever stands between them.
    same = Doc(nlp.vocab, words=[token.text for token in old], spaces=[False] * 5, user_data=old.user_data)
    np.testing.assert_array_equal(same._.elmo.elmo, old._.elmo.elmo)
    np.testing.assert_array_equal(same[3]._.elmo.elmo, old[3]._.elmo.elmo)


@pytest.mark.parametrize("read", READERS[5:])
def test_the_tensor_alone(read: Callable[[Doc], Any]) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(TINY), "vectors": True, "layers": []})
    old = nlp("I saw the old bank")
    read(old)
    new = Doc(nlp.vocab, words=["a", "saw", "the", "old", "bank"], user_data=old.user_data)
    new.tensor = old.tensor
    install_hooks(new)
    with pytest.raises(ValueError, match=r"EL053.*row 0 is of 'I', but token 0 is 'a'"):
        read(new)


def test_merged_and_split_back(nlp: Language) -> None:
    doc = nlp("I cannot live")
    expected = doc[1]._.elmo.elmo.copy()
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1:3])
    with pytest.raises(ValueError, match="EL053"):
        doc[1]._.elmo  # noqa: B018
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[1], ["can", "not"], heads=[doc[0], doc[0]])
    np.testing.assert_array_equal(doc[1]._.elmo.elmo, expected)
    np.testing.assert_array_equal(doc[1].vector, expected)


def test_sentences_may_be_set_later(nlp: Language) -> None:
    doc = nlp(TEXT)
    expected = doc._.elmo.elmo.copy()
    for i, token in enumerate(doc):
        token.is_sent_start = i in (0, 3)
    np.testing.assert_array_equal(doc._.elmo.elmo, expected)


def test_docs_of_earlier_versions(nlp: Language) -> None:
    """They were stored without hashes: the number of tokens is all there is to compare."""
    doc = nlp(TEXT)
    expected = doc._.elmo.elmo.copy()
    del doc.user_data[KEY]["tokens"]
    back = Doc(Vocab()).from_bytes(doc.to_bytes(exclude=["user_hooks"]))
    np.testing.assert_array_equal(back._.elmo.elmo, expected)
    np.testing.assert_array_equal(back[2]._.elmo.elmo, expected[2])
    with back.retokenize() as retokenizer:
        retokenizer.merge(back[0:2])
    with pytest.raises(ValueError, match=r"EL053.*holds 6 rows, but the Doc has 5 tokens"):
        back._.elmo  # noqa: B018


def test_hashes_in_another_process() -> None:
    words = ["I", "live", "PERSON", "ORTH", " ", "Ünïcode", "😀"]
    code = (
        "import sys; from spacy.tokens import Doc; from spacy.vocab import Vocab; from spacy.attrs import ORTH;"
        f"vocab = Vocab(strings=['other', 'strings']); print(Doc(vocab, words={words!r}).to_array(ORTH).tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(Doc(Vocab(), words=words).to_array(ORTH).tolist())


def test_docs_of_two_sources_in_one_docbin(nlp: Language) -> None:
    docs = [nlp("a b"), nlp(TEXT)]
    one, two = (DocBin(store_user_data=True, docs=[doc]) for doc in docs)
    one.merge(two)
    for doc, back in zip(docs, DocBin().from_bytes(one.to_bytes()).get_docs(Vocab()), strict=True):
        np.testing.assert_array_equal(back._.elmo.elmo, doc._.elmo.elmo)
        np.testing.assert_array_equal(back[1]._.elmo.elmo, doc[1]._.elmo.elmo)


@pytest.mark.filterwarnings("ignore:.*W109")
def test_processes(nlp: Language) -> None:
    texts = ["a b c", TEXT]
    for doc, back in zip(nlp.pipe(texts), nlp.pipe(texts, n_process=2), strict=True):
        np.testing.assert_allclose(back._.elmo.elmo, doc._.elmo.elmo, atol=1e-5)
        assert same_tokens(back, back.user_data[KEY]["tokens"])
        split_and_merge(back, split=len(back) - 1)
        with pytest.raises(ValueError, match="EL053"):
            back[0]._.elmo  # noqa: B018


def test_tokens_are_those_that_were_read(nlp: Language) -> None:
    """Not those that the Doc has when the layers are written to it."""
    embedder = get_embedder(nlp)
    docs = [nlp.make_doc("a \n b"), nlp.make_doc(""), nlp.make_doc(TEXT)]
    output = embedder.predict(docs)
    assert output.hashes is not None
    for doc, hashes in zip(docs, output.hashes, strict=True):
        np.testing.assert_array_equal(hashes, token_hashes(doc))
    split_and_merge(docs[2])
    embedder.set_annotations(docs, output)
    assert docs[0]._.elmo.elmo.shape == (3, 16)
    with pytest.raises(ValueError, match="EL053"):
        docs[2]._.elmo  # noqa: B018


def make_words_only(set_tensor: bool) -> Language:
    config = {
        "source": str(TINY),
        "pooling_layer": "word_emb",
        "set_tensor": set_tensor,
        "model": {"get_spans": {"@misc": "spacy-elmo.doc_spans.v1"}},
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config=config)
    return nlp


@pytest.mark.parametrize("set_tensor", [True, False])
def test_long_docs(set_tensor: bool) -> None:
    nlp = make_words_only(set_tensor)
    doc = Doc(nlp.vocab, words=[f"word{i % 700}" for i in range(3000)])
    get_embedder(nlp)(doc)
    whole = doc._.elmo.word_emb
    for i in (0, 17, 1500, 2999):
        np.testing.assert_array_equal(doc[i]._.elmo.word_emb, whole[i])
        np.testing.assert_array_equal(doc[i : i + 40]._.elmo.word_emb, whole[i : i + 40])
    split_and_merge(doc, split=2900, merge=100)
    assert len(doc) == 3000
    for read in (lambda: doc._.elmo, lambda: doc[100]._.elmo, lambda: doc[1500]._.elmo, lambda: doc[90]._.elmo):
        with pytest.raises(
            ValueError, match=r"EL053.*row 100 is of 'word100', but token 100 is 'word100 word101'"
        ):
            read()
    with pytest.raises(ValueError, match="EL053"):
        doc[2890:2900]._.elmo  # noqa: B018


@pytest.mark.parametrize("set_tensor", [True, False])
def test_time_grows_with_the_length(set_tensor: bool) -> None:
    nlp = make_words_only(set_tensor)

    def seconds_a_token(length: int) -> float:
        doc = get_embedder(nlp)(Doc(nlp.vocab, words=["word"] * length))
        times = []
        for _ in range(3):
            start = time.process_time()
            for i in range(0, length, length // 250):
                doc[i]._.elmo  # noqa: B018
            times.append(time.process_time() - start)
        return min(times) / 250

    # The whole of the longer one takes some 50 times as long as all of the shorter.
    assert seconds_a_token(20_000) < 5 * seconds_a_token(400)


@pytest.mark.parametrize(
    "left",
    [
        "layers",
        3,
        [],
        {},
        {"layers": None},
        {"layers": {"elmo": [1]}, "n_layers": 2, "pooling_layer": "elmo"},
        {"layers": {"elmo": np.zeros(6)}, "n_layers": 2, "pooling_layer": "elmo"},
        {"layers": {}, "n_layers": "2", "pooling_layer": "elmo"},
        {"layers": {}, "n_layers": 2, "pooling_layer": None},
        {"layers": {}, "n_layers": 2, "pooling_layer": "elmo", "tokens": "I live"},
        {"layers": {}, "n_layers": 2, "pooling_layer": "elmo", "tokens": np.zeros(6)},
        np.zeros((6, 16)),
        object(),
    ],
)
@pytest.mark.parametrize("read", READERS)
def test_foreign_values(nlp: Language, left: Any, read: Callable[[Doc], Any]) -> None:
    doc = nlp(TEXT)
    doc.user_data[KEY] = left
    with pytest.raises(ValueError, match=rf"EL191.*{type(left).__name__}.*doc._.elmo = None"):
        read(doc)
    doc._.elmo = None
    assert read_layers(doc) is None
    # Vectors are taken from doc.tensor then.
    assert doc.has_vector
