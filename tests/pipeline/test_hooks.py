"""spaCy's vectors and similarities on the pooling layer."""

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

import spacy_elmo
from tests.components import get_embedder
from tests.pipeline.conftest import Make

TEXT = "She sat by the river bank and then went to the bank"


@pytest.fixture
def nlp(make: Make) -> Language:
    return make(vectors=True)


def cosine(first: Any, second: Any) -> float:
    one, two = np.asarray(first), np.asarray(second)
    return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))


def test_vectors(nlp: Language) -> None:
    doc = nlp(TEXT)
    assert doc.has_vector
    assert doc[2].has_vector
    assert doc[2:4].has_vector
    np.testing.assert_array_equal(doc[2].vector, doc.tensor[2])
    np.testing.assert_allclose(np.asarray(doc.vector), doc.tensor.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(np.asarray(doc[2:4].vector), doc.tensor[2:4].mean(axis=0), atol=1e-6)
    for one in (doc, doc[2], doc[2:4]):
        assert isinstance(float(one.vector_norm), float)
        assert one.vector_norm == pytest.approx(np.linalg.norm(np.asarray(one.vector)), abs=1e-4)


def test_one_word_in_two_contexts(nlp: Language) -> None:
    doc = nlp(TEXT)
    first, second = (token for token in doc if token.text == "bank")
    assert first.similarity(second) < 0.999
    assert first.similarity(second) == pytest.approx(cosine(doc.tensor[first.i], doc.tensor[second.i]), abs=1e-5)
    assert first.similarity(first) == pytest.approx(1)


def test_similarity_of_all_kinds(nlp: Language) -> None:
    doc, other = nlp(TEXT), nlp("Some other text")
    for one in (doc, doc[0:3], doc[1]):
        for two in (other, other[0:2], other[1]):
            assert one.similarity(two) == pytest.approx(cosine(one.vector, two.vector), abs=1e-5)
            assert two.similarity(one) == pytest.approx(one.similarity(two))


@pytest.mark.parametrize("layer", ["word_emb", "lstm_outputs1", "elmo"])
def test_the_pooling_layer_is_used(make: Make, layer: str) -> None:
    configs: list[dict[str, Any]] = [{"set_tensor": False}, {"layers": []}, {}]
    for config in configs:
        doc = make(vectors=True, pooling_layer=layer, **config)(TEXT)
        expected = make(pooling_layer=layer)(TEXT).tensor
        np.testing.assert_array_equal(doc[3].vector, expected[3])


def test_processing_again_is_followed(make: Make, nlp: Language) -> None:
    doc = nlp(TEXT)
    before = doc.vector
    get_embedder(make(vectors=True, pooling_layer="word_emb"))(doc)
    assert doc.vector.shape != before.shape


def test_whitespace_does_not_count(nlp: Language) -> None:
    spaced, plain = nlp("a \n b"), nlp("a b")
    np.testing.assert_allclose(np.asarray(spaced.vector), np.asarray(plain.vector), atol=1e-6)
    assert not nlp(" \n ").vector.any()
    assert nlp(" \n ").similarity(plain) == 0.0


def test_empty(nlp: Language) -> None:
    doc = nlp("")
    assert doc.vector.shape == (16,)
    assert doc.vector_norm == 0
    assert doc.similarity(nlp("a")) == 0.0


def test_what_has_no_vector(nlp: Language) -> None:
    doc = nlp(TEXT)
    plain = spacy.blank("en")("other one")
    for one in (doc, doc[0:3], doc[0]):
        others: list[tuple[Any, str]] = [
            (nlp.vocab["bank"], "Lexeme 'bank'"),
            (plain, "Doc 'other one'"),
            (plain[1:2], "Span 'one'"),
            (plain[1], "Token 'one'"),
            ("bank", "str 'bank'"),
            (None, "NoneType 'None'"),
            (3, "int '3'"),
        ]
        for other, name in others:
            with pytest.raises(ValueError, match=rf"EL055\] {name} has no ELMo vector"):
                one.similarity(other)


def test_vectors_of_different_models(nlp: Language, make: Make) -> None:
    other = make(vectors=True, pooling_layer="word_emb")(TEXT)
    with pytest.raises(ValueError, match=r"EL192.*of widths 16 and 8"):
        nlp(TEXT).similarity(other)
    with pytest.raises(ValueError, match=r"EL192.*of widths 8 and 16"):
        other[0].similarity(nlp(TEXT)[1])


def test_a_cleaned_doc(make: Make) -> None:
    """spaCy's doc_cleaner, with all that the embedder leaves."""
    nlp = make(vectors=True)
    nlp.add_pipe("doc_cleaner", config={"attrs": {"tensor": None, "_.elmo": None}})
    doc = nlp(TEXT)
    assert doc.tensor is None
    for part in (doc, doc[0:2], doc[0]):
        assert part._.elmo is None
        assert part.has_vector is False
        with pytest.raises(ValueError, match=r"EL055.*keep the layer in the other"):
            part.vector  # noqa: B018
        with pytest.raises(ValueError, match="EL055"):
            part.similarity(part)


@pytest.mark.parametrize("tensor", [None, [1, 2], "x", 3, np.zeros(11), np.zeros((3, 16)), np.zeros((11, 2, 2))])
def test_a_tensor_that_somebody_else_left(make: Make, tensor: Any) -> None:
    doc = make(vectors=True, layers=[], set_tensor=True)(TEXT)
    doc.tensor = tensor
    for part in (doc, doc[0:2], doc[0]):
        assert part.has_vector is False
        with pytest.raises(ValueError, match="EL055"):
            part.vector  # noqa: B018
    # Where the pooling layer was kept as well, nothing is lost: for one, if others may set the tensor.
    configs: list[dict[str, Any]] = [{}, {"layers": []}]
    for config in configs:
        kept = make(vectors=True, **config)(TEXT)
        expected = kept[2].vector.copy()
        kept.tensor = tensor
        np.testing.assert_array_equal(kept[2].vector, expected)


def test_spacys_own_vectors_are_as_readme_says(make: Make) -> None:
    """Without `vectors = true`."""
    doc = make()("She sat \n by the bank of a bank")
    assert doc[2].is_space
    assert not doc[2].vector.any()
    np.testing.assert_allclose(np.asarray(doc.vector), doc.tensor.sum(axis=0) / len(doc), atol=1e-6)
    np.testing.assert_allclose(np.asarray(doc[1:4].vector), doc.tensor[1:4].sum(axis=0) / 3, atol=1e-6)
    banks = [token for token in doc if token.text == "bank"]
    assert banks[0].similarity(banks[1]) == 1.0
    with pytest.warns(UserWarning, match="W007"):
        doc[0].similarity(doc[1])


def test_hooks_off_leave_spacy_as_it_was(make: Make) -> None:
    doc = make()(TEXT)
    assert not doc.user_hooks
    assert not doc.user_token_hooks
    assert not doc.user_span_hooks
    # Without static vectors, spaCy itself takes doc.tensor.
    np.testing.assert_array_equal(doc[1].vector, doc.tensor[1])


def test_hooks_are_put_back(nlp: Language) -> None:
    doc = nlp(TEXT)
    with pytest.warns(UserWarning, match="W109"):
        data = doc.to_bytes()
    back = Doc(nlp.vocab).from_bytes(data)
    assert not back.user_hooks
    assert spacy_elmo.install_hooks(back) is back
    assert back.similarity(doc) == pytest.approx(1)


def test_span_as_doc(nlp: Language) -> None:
    doc = nlp(TEXT)
    part = doc[2:5]
    np.testing.assert_allclose(np.asarray(part.as_doc().vector), np.asarray(part.vector), atol=1e-6)
