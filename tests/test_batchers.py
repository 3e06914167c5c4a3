"""The batcher spacy-elmo.entity_variants.v1, alone and in training."""

import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.training.batchers import minibatch_by_words
from spacy.training.loop import create_train_batches
from spacy.util import registry

from spacy_elmo import batchers
from spacy_elmo.batchers import EntityVariants, make_entity_variants

NLP = spacy.blank("en")


def one_batch(examples: Any) -> list[list[Example]]:
    return [list(examples)]


def variants(examples: list[Example], **settings: Any) -> list[Example]:
    (batch,) = make_entity_variants(one_batch, **{"swap": 0.0, "lower": 0.0, **settings})(examples)
    return batch


def example(words: str, ents: list[str], *, known: bool = True) -> Example:
    """Make an example whose predicted Doc is spaCy's tokenization of the text; unless `known`, the same tokens."""
    spaces = [True] * (len(ents) - 1) + [False] * bool(ents) if known else None
    doc = Doc(NLP.vocab, words=words.split(), spaces=spaces, ents=ents)
    return Example(NLP.make_doc(doc.text) if known else Doc(NLP.vocab, words=words.split()), doc)


def sentences(*, known: bool = True) -> list[Example]:
    texts = [
        ("Ann Lee saw Rome today", ["B-PER", "I-PER", "O", "B-LOC", "O"]),
        ("so did Bob", ["O", "O", "B-PER"]),
        ("Mr. Bo and Stoke-on-Trent", ["B-PER", "I-PER", "O", "B-LOC"]),
        ("nothing here", ["O", "O"]),
    ]
    return [example(words, ents, known=known) for words, ents in texts]


def names(examples: list[Example]) -> set[tuple[str, str]]:
    return {(entity.text, entity.label_) for each in examples for entity in each.reference.ents}


@pytest.mark.parametrize("known", [True, False])
def test_same_label_and_length(known: bool) -> None:
    random.seed(0)
    made = [each for _ in range(20) for each in variants(sentences(known=known), swap=1.0)]
    assert names(made) == names(sentences())
    texts = {each.text.strip() for each in made}
    assert {"Mr. Bo saw Stoke-on-Trent today", "Ann Lee and Rome"} <= texts
    # Bob is the only person of one token.
    assert {text for text in texts if text.startswith("so did")} == {"so did Bob"}


@pytest.mark.parametrize("known", [True, False])
def test_tokens_of_corpus(known: bool) -> None:
    """Tokens are those of the pipeline, or the annotated ones if the corpus uses them."""
    random.seed(0)
    for _ in range(10):
        for each in variants(sentences(known=known), swap=1.0, lower=0.2):
            assert each.predicted.text == each.reference.text
            expected = NLP.make_doc(each.text) if known else each.reference
            assert [token.text for token in each.predicted] == [token.text for token in expected]
            assert each.reference.has_unknown_spaces is not known
            gold = [label for label in each.get_aligned_ner() if label not in ("O", None)]
            assert len(gold) >= len(each.reference.ents)


def test_spaces() -> None:
    joined = Doc(
        NLP.vocab, words=["Stoke", "-", "Trent", "!"], spaces=[False] * 4, ents=["B-X", "I-X", "I-X", "O"]
    )
    apart = Doc(
        NLP.vocab, words=["C", "D", "E", "ran"], spaces=[True] * 3 + [False], ents=["B-X", "I-X", "I-X", "O"]
    )
    given = [Example(NLP.make_doc(doc.text), doc) for doc in (joined, apart)]
    random.seed(0)
    texts = {each.text for _ in range(20) for each in variants(given, swap=1.0)}
    assert texts == {"Stoke-Trent!", "C D E!", "Stoke-Trent ran", "C D E ran"}


def test_unchanged_example() -> None:
    given = sentences()
    assert [one is other for one, other in zip(variants(given), given, strict=True)] == [True] * len(given)


def test_different_tokenization() -> None:
    doc = Doc(NLP.vocab, words=["Ann", "'s"], spaces=[False, False], ents=["B-PER", "O"])
    other = example("Bob ran", ["B-PER", "O"])
    given = [Example(Doc(NLP.vocab, words=["Ann's"], spaces=[False]), doc), other]
    random.seed(0)
    made = [each for _ in range(10) for each in variants(given, swap=1.0)]
    assert {each.text for each in made} == {"Ann's", "Bob ran"}


def test_lower() -> None:
    made = variants(sentences(), lower=1.0)
    assert [each.text for each in made][:2] == ["ann lee saw rome today", "so did bob"]
    assert ("ann lee", "PER") in names(made)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (0.5, 70, 130), (1.0, 200, 200)])
def test_keep_empty(share: float, least: int, most: int) -> None:
    random.seed(0)
    one, empty, unknown = sentences()[0], sentences()[3], Example(NLP("a b"), NLP("a b"))
    made = variants([one] * 50 + [empty] * 200 + [unknown] * 50, keep_empty=share)
    assert least <= sum(each is empty for each in made) <= most
    assert sum(each is one for each in made) == 50
    # The example is not annotated, so it may have entities.
    assert sum(each is unknown for each in made) == 50


def test_an_epoch_of_nothing() -> None:
    with pytest.raises(ValueError, match=r"EL125.*keep_empty = 0\.0.*none of the 2 examples"):
        variants(sentences()[3:] * 2, keep_empty=0.0)
    assert variants([]) == []


def test_other_annotations() -> None:
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
    doc.ents = [Span(doc, 0, 2, label="PER", kb_id="Q1", span_id="x"), Span(doc, 3, 4, label="LOC", kb_id="Q2")]
    doc.cats = {"A": 1.0}
    doc.spans["sc"] = [Span(doc, 0, 3, label="CLAUSE", kb_id="Q3", span_id="y")]
    random.seed(1)
    given = [Example(NLP.make_doc(doc.text), doc), *sentences()]
    made = [each.reference for _ in range(40) for each in variants(given, swap=1.0, lower=0.5)]
    found = next(each for each in made if each.text == "mr. bo likes stoke-on-trent. ")
    for name in ("tag_", "pos_", "dep_", "ent_type_", "ent_iob_", "whitespace_"):
        assert [getattr(t, name) for t in found] == [getattr(t, name) for t in doc], name
    assert [str(token.morph) for token in found] == [str(token.morph) for token in doc]
    assert [token.head.i for token in found] == [token.head.i for token in doc]
    assert [token.is_sent_start for token in found] == [token.is_sent_start for token in doc]
    assert [token.lemma_ for token in found] == ["Mr.", "Bo", "like", "Stoke-on-Trent", "."]
    assert found.cats == doc.cats
    assert [(s.start, s.end, s.label_, s.kb_id_, s.id_) for s in found.spans["sc"]] == [
        (0, 3, "CLAUSE", "Q3", "y")
    ]
    # IDs belong to the names.
    ids = {(entity.text, entity.kb_id_) for each in made for entity in each.ents}
    assert {("Ann Lee", "Q1"), ("Rome", "Q2"), ("Mr. Bo", "")} <= ids
    assert ("Mr. Bo", "Q1") not in ids


def test_same_seed() -> None:
    texts = []
    for seed in (7, 7, 8):
        random.seed(seed)
        texts.append([each.text for _ in range(5) for each in variants(sentences(), swap=0.5, lower=0.5)])
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_endless_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batchers, "_MOST_NAMES", 5)
    made = EntityVariants(batcher=one_batch, swap=1.0, lower=0.0, keep_empty=1.0)
    stream = (example(f"N{number}", ["B-PER"]) for number in range(300))
    assert {each.text for each in made.variants(stream)} == {f"N{number}" for number in range(5)}


@pytest.mark.parametrize("name", ["swap", "lower", "keep_empty"])
@pytest.mark.parametrize("value", [-0.1, 1.5, "0.5"])
def test_bad_shares(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"'{name}' must be a number from 0 to 1; got {value!r}"):
        make_entity_variants(one_batch, **{name: value})


def test_new_names_each_epoch(tmp_path: Path) -> None:
    """spaCy reads a corpus and applies its augmenter only once."""
    docs = [example("Ann met Rome", ["B-PER", "O", "B-LOC"]).reference, example("Bob", ["B-PER"]).reference]
    DocBin(docs=docs * 5).to_disk(tmp_path / "train.spacy")
    block = {
        "@batchers": "spacy-elmo.entity_variants.v1",
        "swap": 1.0,
        "lower": 0.0,
        "keep_empty": 0.0,
        "batcher": {
            "@batchers": "spacy.batch_by_words.v1",
            "size": 6,
            "tolerance": 0.2,
            "discard_oversize": False,
            "get_length": None,
        },
    }
    batcher = registry.resolve({"batcher": block})["batcher"]
    batches = create_train_batches(NLP, Corpus(tmp_path / "train.spacy"), batcher, 0)
    epochs: list[list[str]] = [[], [], []]
    random.seed(0)
    for epoch, batch in islice(batches, 12):
        epochs[epoch] += [each.text for each in batch]
    assert {"Ann met Rome", "Bob met Rome", "Ann", "Bob"} == {text for epoch in epochs for text in epoch}
    assert len({tuple(sorted(epoch)) for epoch in epochs[:2]}) == 2


def test_trains_recognizer() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    given = [each for each in sentences() for _ in range(5)]
    nlp.initialize(lambda: given)
    batcher = make_entity_variants(lambda each: minibatch_by_words(each, size=30))
    losses = []
    for _ in range(30):
        found: Any = {}
        for batch in batcher(given):
            nlp.update(batch, losses=found)
        losses.append(found["ner"])
    assert losses[-1] < losses[0] / 4
    assert [(entity.text, entity.label_) for entity in nlp("Mr. Bo saw Rome today").ents] == [
        ("Mr. Bo", "PER"),
        ("Rome", "LOC"),
    ]
