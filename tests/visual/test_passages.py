import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

import spacy_elmo
from spacy_elmo.errors import ElmoError
from spacy_elmo.splitter import split_texts
from spacy_elmo.visual.passages import passage_of_sentences, read_passages


def test_a_doc(small: Language) -> None:
    doc = small("Two  words.\n\nAnd a sentence that isn't long.")
    [passage] = read_passages(doc)
    assert passage.tokens == ["Two", "words", ".", "And", "a", "sentence", "that", "is", "n't", "long", "."]
    assert passage.spaces == [True, False, True, True, True, True, True, False, True, False, False]
    assert passage.starts == [0, 3]
    assert list(passage.bounds()) == [(0, 3), (3, 11)]
    words = [token.i for token in doc if not token.is_space]
    for name in ("word_emb", "lstm_outputs1", "elmo"):
        np.testing.assert_array_equal(passage.layers[name], doc._.elmo[name][words])
    assert passage.label == "1"
    assert len(passage) == 11


def test_a_span(small: Language) -> None:
    doc = small("First one. Second one here. Third.")
    [passage] = read_passages(doc[1:6])
    assert passage.tokens == ["one", ".", "Second", "one", "here"]
    assert passage.starts == [0, 2]
    np.testing.assert_array_equal(passage.layers["elmo"], doc._.elmo.elmo[1:6])


def test_titles_and_numbers(small: Language) -> None:
    docs = [small("one"), small("two")]
    docs[1].user_data["title"] = "The second"
    assert [passage.label for passage in read_passages(docs)] == ["1", "The second"]
    assert [passage.label for passage in read_passages(iter(docs))] == ["1", "The second"]


def test_without_spacy(small: Language) -> None:
    elmo = spacy_elmo.load("en_sm")
    outputs = elmo.embed_texts(["I love NLP.", ""])
    passages = read_passages(outputs)
    assert passages[0].tokens == ["I", "love", "NLP", "."]
    assert passages[1].tokens == passages[1].starts == []
    np.testing.assert_array_equal(passages[0].layers["elmo"], outputs[0].elmo)


def test_sentences() -> None:
    text = "Isn't it?  It is."
    [sentences] = split_texts([text])
    outputs = spacy_elmo.load("en_sm").embed([sentence.tokens for sentence in sentences])
    passage = passage_of_sentences(sentences, outputs, label="a")
    assert passage.tokens == ["Is", "n't", "it", "?", "It", "is", "."]
    assert passage.spaces == [False, True, False, True, True, False, False]
    assert passage.starts == [0, 4]
    assert passage.layers["elmo"].shape == (7, 256)


def test_a_part(small: Language) -> None:
    [passage] = read_passages(small("First one. Second one here. Third."), groups="lower_")
    part = passage[2:5]
    assert part.tokens == [".", "Second", "one"]
    assert part.starts == [0, 1]
    assert part.groups == [".", "second", "one"]
    np.testing.assert_array_equal(part.layers["elmo"], passage.layers["elmo"][2:5])
    assert passage[3:3].starts == []


def test_groups(small: Language) -> None:
    doc = small("Paris in 1999")
    doc.ents = [Span(doc, 0, 1, label="GPE")]
    doc.cats = {"travel": 0.9, "food": 0.1}
    assert read_passages(doc, groups="ent_type_")[0].groups == ["GPE", "–", "–"]
    assert read_passages(doc, groups="like_num")[0].groups == ["False", "False", "True"]
    assert read_passages(doc, groups="cats")[0].groups == ["travel"] * 3
    assert read_passages(small("no category"), groups="cats")[0].groups == ["–", "–"]


@pytest.mark.parametrize("name", ["color", "__class__", "similarity", ""])
def test_no_such_groups(small: Language, name: str) -> None:
    with pytest.raises(ElmoError, match=r"\[EL338\] labels = "):
        read_passages(small("Paris"), groups=name)
    with pytest.raises(ElmoError, match=r"\[EL338\].*not Docs"):
        read_passages(spacy_elmo.load("en_sm")("Paris"), groups="pos_")


@pytest.mark.parametrize("given", ["a text", 7, None, [], {}, ["text"], [None], b"", spacy.blank("en")])
def test_what_cannot_be_drawn(given: object) -> None:
    with pytest.raises(ElmoError, match=r"\[EL327\] Cannot draw .*an elmo_embedder has processed"):
        read_passages(given)


def test_a_doc_without_layers() -> None:
    with pytest.raises(ElmoError, match=r"\[EL328\] The Doc 'I love NLP' has no layers"):
        read_passages(spacy.blank("en")("I love NLP"))


def test_layers_of_two_models(small: Language, english: Language) -> None:
    with pytest.raises(ElmoError, match=r"\[EL329\] .*word_emb \(8\).*those of text 2 are .*word_emb \(128\)"):
        read_passages([small("one"), english("two")])


def test_tokens_that_have_changed(small: Language) -> None:
    doc = small("New York is big")
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    with pytest.raises(ElmoError, match="EL053"):
        read_passages(doc)


def test_an_empty_doc(small: Language) -> None:
    passages = read_passages([small(""), small(" \n ")])
    assert [len(passage) for passage in passages] == [0, 0]
    assert passages[0].layers["elmo"].shape == (0, 16)


def test_words_without_a_pipeline(small: Language) -> None:
    doc = small.get_pipe("elmo_embedder")(Doc(small.vocab, words=["a", "b"], spaces=[False, True]))
    assert read_passages(doc)[0].spaces == [False, True]
