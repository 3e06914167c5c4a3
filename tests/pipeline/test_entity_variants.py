"""spacy-elmo.entity_variants.v1: what stays, what changes, and that training takes it."""

import random
from typing import Any, List

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.util import registry

from spacy_elmo.pipeline import entity_variants
from spacy_elmo.pipeline.entity_variants import EntityVariants, make_entity_variants

NLP = spacy.blank("en")


def example(words: str, ents: List[str]) -> Example:
    spaces = [True] * (len(ents) - 1) + [False] * bool(ents)
    doc = Doc(NLP.vocab, words=words.split(), spaces=spaces, ents=ents)
    return Example(NLP.make_doc(doc.text), doc)


def sentences() -> List[Example]:
    return [
        example("Ann Lee saw Rome today", ["B-PER", "I-PER", "O", "B-LOC", "O"]),
        example("so did Bob", ["O", "O", "B-PER"]),
        example("Mr. Bo and Oslo", ["B-PER", "I-PER", "O", "B-LOC"]),
        example("nothing here", ["O", "O"]),
        example("", []),
    ]


def variants(augmenter: Any, examples: List[Example]) -> List[Example]:
    return [made for each in examples for made in augmenter(NLP, each)]


def names(examples: List[Example]) -> "set[tuple[str, str]]":
    return {(entity.text, entity.label_) for each in examples for entity in each.reference.ents}


def test_names_are_exchanged_within_label_and_length() -> None:
    random.seed(0)
    augmenter = make_entity_variants(swap=1.0, lower=0.0)
    made = [each for _ in range(20) for each in variants(augmenter, sentences())]
    assert names(made) == names(sentences())
    texts = {each.text for each in made}
    assert {"Mr. Bo saw Oslo today", "Ann Lee and Rome"} <= texts
    # Bob is the only person of one token.
    assert {text for text in texts if text.startswith("so did")} == {"so did Bob"}
    for each in made:
        assert each.predicted.text == each.reference.text
        assert not each.predicted.ents


def test_nothing_to_change_is_not_changed() -> None:
    given = sentences()
    made = variants(make_entity_variants(swap=0.0, lower=0.0), given)
    assert [one is other for one, other in zip(made, given, strict=True)] == [True] * len(given)


def test_lower() -> None:
    made = variants(make_entity_variants(swap=0.0, lower=1.0), sentences())
    assert [each.text for each in made][:2] == ["ann lee saw rome today", "so did bob"]
    assert ("ann lee", "PER") in names(made)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)])
def test_examples_without_entities(share: float, least: int, most: int) -> None:
    random.seed(0)
    augmenter = make_entity_variants(swap=0.0, lower=0.0, keep_empty=share)
    with_entities, empty, unknown = *sentences()[:1], *sentences()[3:4], Example(NLP("a b"), NLP("a b"))
    assert least <= len(variants(augmenter, [empty] * 200)) <= most
    assert len(variants(augmenter, [with_entities] * 50)) == 50
    # Nobody has said that there are none.
    assert len(variants(augmenter, [unknown] * 50)) == 50


def test_other_annotations_stay() -> None:
    doc = Doc(
        NLP.vocab,
        words=["Ann", "Lee", "likes", "Rome", "."],
        spaces=[True, True, True, False, True],
        tags=["NNP", "NNP", "VBZ", "NNP", "."],
        pos=["PROPN", "PROPN", "VERB", "PROPN", "PUNCT"],
        morphs=["Number=Sing", "", "Person=3", "", ""],
        lemmas=["Ann", "Lee", "like", "Rome", "."],
        heads=[1, 2, 2, 2, 2],
        deps=["compound", "nsubj", "ROOT", "obj", "punct"],
        ents=["B-PER", "I-PER", "O", "B-LOC", "O"],
    )
    doc.ents = [Span(doc, 0, 2, label="PER", kb_id="Q1", span_id="x"), doc.ents[1]]
    doc.cats = {"A": 1.0}
    doc.spans["sc"] = [Span(doc, 0, 3, label="CLAUSE")]
    random.seed(1)
    augmenter = EntityVariants(swap=1.0, lower=0.0, keep_empty=1.0)
    variants(augmenter, sentences())
    gold = Example(NLP.make_doc(doc.text), doc)
    made = [each.reference for _ in range(20) for each in variants(augmenter, [gold])]
    found = next(each for each in made if each.text == "Mr. Bo likes Oslo. ")
    for name in ("tag_", "pos_", "dep_", "ent_type_", "ent_iob_", "ent_kb_id_", "ent_id_", "whitespace_"):
        assert [getattr(t, name) for t in found] == [getattr(t, name) for t in doc], name
    assert [str(token.morph) for token in found] == [str(token.morph) for token in doc]
    assert [token.head.i for token in found] == [token.head.i for token in doc]
    assert [token.is_sent_start for token in found] == [token.is_sent_start for token in doc]
    assert [token.lemma_ for token in found] == ["Mr.", "Bo", "like", "Oslo", "."]
    assert found.cats == doc.cats
    assert [(span.start, span.end, span.label_) for span in found.spans["sc"]] == [(0, 3, "CLAUSE")]


def test_the_same_seed_gives_the_same_text() -> None:
    texts = []
    for _ in range(2):
        random.seed(7)
        augmenter = make_entity_variants()
        texts.append([each.text for _ in range(5) for each in variants(augmenter, sentences())])
    assert texts[0] == texts[1]


def test_names_that_are_kept_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity_variants, "_MOST_NAMES", 5)
    augmenter = EntityVariants(swap=1.0, lower=0.0, keep_empty=1.0)
    for number in range(20):
        variants(augmenter, [example(f"N{number}", ["B-PER"])])
    # The first of a kind has its place all the same.
    assert len(variants(augmenter, [example("A B", ["B-PER", "I-PER"])])) == 1
    assert len(augmenter._known) == 6


@pytest.mark.parametrize("name", ["swap", "lower", "keep_empty"])
@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_bad_shares(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"'{name}' must be a number from 0 to 1; got {value}"):
        make_entity_variants(**{name: value})


def test_a_corpus_reads_through_it(tmp_path: Any) -> None:
    DocBin(docs=[each.reference for each in sentences()[:4]]).to_disk(tmp_path / "train.spacy")
    block = {"@augmenters": "spacy-elmo.entity_variants.v1", "swap": 1.0, "lower": 0.0, "keep_empty": 0.0}
    corpus = registry.resolve(
        {
            "corpus": {
                "@readers": "spacy.Corpus.v1",
                "path": str(tmp_path / "train.spacy"),
                "gold_preproc": False,
                "max_length": 0,
                "limit": 0,
                "augmenter": block,
            }
        }
    )["corpus"]
    read = list(corpus(NLP))
    assert len(read) == 3
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    nlp.initialize(lambda: corpus(nlp))
    assert nlp.get_pipe("ner").labels == ("LOC", "PER")
    nlp.update(list(corpus(nlp)))
