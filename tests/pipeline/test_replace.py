"""Listeners that are replaced, sourced, sent to other processes; every component with a `tok2vec`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy import util
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Adam

from spacy_elmo.models.listener import is_listener
from spacy_elmo.models.module import get_module
from tests.components import get_embedder, get_listener, get_trainable
from tests.pipeline.training import (
    LISTENER,
    TEXTS,
    arrays,
    initialize,
    pipeline,
    tags,
    train,
    train_like_spacy,
)
from tests.platforms import forks

IN_ENCODER = {
    "@architectures": "spacy.Tok2Vec.v2",
    "embed": {**LISTENER, "width": 16},
    "encode": {
        "@architectures": "spacy.MaxoutWindowEncoder.v2",
        "width": 16,
        "window_size": 1,
        "maxout_pieces": 2,
        "depth": 1,
    },
}


def train_pipeline(listener: Any = LISTENER, **settings: Any) -> Language:
    nlp = pipeline("tagger", "ner", listener=listener, **settings)
    train_like_spacy(nlp, initialize(nlp), steps=20)
    return nlp


def get_tok2vec(nlp: Language, pipe: str) -> Any:
    return next(node for node in get_trainable(nlp, pipe).model.walk() if node.name == "elmo_tok2vec")


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize(
    ("listener", "path"),
    [
        (LISTENER, "model.tok2vec"),
        ({**LISTENER, "pooling_layer": "elmo"}, "model.tok2vec"),
        (IN_ENCODER, "model.tok2vec.embed"),
    ],
)
def test_replaced(frozen: bool, listener: Any, path: str, tmp_path: Path) -> None:
    nlp = train_pipeline(listener, frozen=frozen)
    expected = tags(nlp)
    nlp.replace_listeners("elmo_embedder", "tagger", [path])
    assert not any(is_listener(node) for node in get_trainable(nlp).model.walk())
    assert get_embedder(nlp).listening_components == ["ner"]
    assert tags(nlp) == expected
    block = util.dot_to_object(nlp.config["components"]["tagger"], path)
    assert block["@architectures"] == "spacy-elmo.ElmoTok2Vec.v1"
    assert block["frozen"] == frozen
    assert block["source"] is None
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert tags(loaded) == expected
    # It stands by itself.
    alone = spacy.load(tmp_path, exclude=["elmo_embedder", "ner"])
    assert tags(alone) == expected
    before = get_module(get_tok2vec(alone, "tagger").layers[0]).sync().named_arrays()
    before = {name: np.array(array) for name, array in before.items()}
    train(alone, alone.resume_training(), steps=3)
    after = get_module(get_tok2vec(alone, "tagger").layers[0]).sync().named_arrays()
    learnt = {name for name in before if not np.array_equal(before[name], after[name])}
    shared = {name for name in before if name.startswith("scalar_mix.")}
    own = set() if frozen else set(before) - shared
    assert learnt == own | (shared if listener.get("pooling_layer") else set())


def test_the_copy_is_independent() -> None:
    nlp = train_pipeline(frozen=False)
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    before = arrays(nlp)
    train(nlp, nlp.resume_training(), steps=2, exclude=["elmo_embedder", "ner"])
    assert all(np.array_equal(before[name], array) for name, array in arrays(nlp).items())


def test_replaced_before_anything_was_read(tmp_path: Path) -> None:
    nlp = pipeline("tagger")
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    train(nlp, initialize(nlp), steps=2)
    nlp.to_disk(tmp_path)
    assert tags(spacy.load(tmp_path)) == tags(nlp)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("elmo", "tagger", ["model.tok2vec"]), "E889"),
        (("elmo_embedder", "parser", ["model.tok2vec"]), "E889"),
        (("elmo_embedder", "tagger", ["model.other"]), "E886"),
        (("elmo_embedder", "tagger", ["model.tok2vec", "model.tok2vec"]), "E887"),
        (("ner", "tagger", ["model.tok2vec"]), "E888"),
    ],
)
def test_wrong_names(arguments: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        train_pipeline().replace_listeners(*arguments)


def test_sourced_and_replaced(tmp_path: Path) -> None:
    nlp = train_pipeline(IN_ENCODER)
    nlp.to_disk(tmp_path / "nlp")
    config = {
        "nlp": {"lang": "en", "pipeline": ["tagger"]},
        "components": {"tagger": {"source": str(tmp_path / "nlp"), "replace_listeners": ["model.tok2vec.embed"]}},
    }
    made = util.load_model_from_config(util.Config(config), auto_fill=True)
    assert tags(made) == tags(nlp)
    made.to_disk(tmp_path / "made")
    assert tags(spacy.load(tmp_path / "made")) == tags(nlp)


def test_sourced_with_its_embedder(tmp_path: Path) -> None:
    nlp = train_pipeline(frozen=False)
    expected = tags(nlp)
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", source=nlp)
    other.add_pipe("tagger", source=nlp)
    assert tags(other) == expected
    train(other, other.resume_training(), steps=2)
    other.to_disk(tmp_path)
    assert tags(spacy.load(tmp_path)) == tags(other)


def test_relink() -> None:
    """Where spaCy has unlinked a listener, the callback for [training.before_update] links it again."""
    nlp = train_pipeline()
    get_embedder(nlp).listener_map = {}
    relink = spacy.registry.callbacks.get("spacy-elmo.relink.v1")()
    relink(nlp, {"step": 0, "epoch": 0})
    assert get_embedder(nlp).listeners == [get_listener(nlp), get_listener(nlp, "ner")]


def test_linked_again_by_itself() -> None:
    nlp = train_pipeline()
    get_embedder(nlp).listener_map = {}
    train(nlp, nlp.resume_training(), steps=1)
    assert get_embedder(nlp).listening_components == ["tagger", "ner"]


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("method", [pytest.param("fork", marks=forks), "spawn"])
def test_processes_right_after_training(method: str, frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    nlp = train_pipeline(frozen=frozen)
    texts = [text for text, _ in TEXTS] * 2
    expected = [[token.tag_ for token in doc] for doc in nlp.pipe(texts)]
    context = multiprocessing.get_context(method)
    monkeypatch.setattr("spacy.language.mp", context)
    docs = list(nlp.pipe(texts, n_process=2, batch_size=2))
    assert [[token.tag_ for token in doc] for doc in docs] == expected


def make_gold(nlp: Language) -> list[Example]:
    made = []
    for text, extra in TEXTS:
        doc = nlp.make_doc(text)
        gold: dict[str, Any] = {
            **extra,
            "words": [t.text for t in doc],
            "spaces": [bool(t.whitespace_) for t in doc],
        }
        gold.update(
            pos=["NOUN" if token.i % 2 else "VERB" for token in doc],
            morphs=["Number=Sing" if token.i % 2 else "Tense=Past" for token in doc],
            lemmas=[token.text.lower() if token.i % 2 else token.text[:-1] + "y" for token in doc],
            heads=[max(i - 1, 0) for i in range(len(doc))],
            deps=["ROOT", *["dep"] * (len(doc) - 1)][: len(doc)],
            sent_starts=[True, *[False] * (len(doc) - 1)][: len(doc)],
            spans={"sc": [Span(doc, 0, 1, label="A")] if len(doc) else []},
        )
        spans = gold.pop("spans")
        example = Example.from_dict(doc, gold)
        if spans["sc"]:
            example.reference.spans["sc"] = [Span(example.reference, 0, 1, label="A")]
        made.append(example)
    return made


ALL = ["tagger", "morphologizer", "parser", "ner", "textcat", "textcat_multilabel", "spancat", "senter"]


@pytest.mark.parametrize("pipe", [*ALL, "trainable_lemmatizer", "span_finder"])
def test_every_component(pipe: str, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe(
        "elmo_embedder", config={"source": str(pipeline().config["components"]["elmo_embedder"]["source"])}
    )
    model: dict[str, Any] = {"tok2vec": LISTENER}
    settings = {"trainable_lemmatizer": {"min_tree_freq": 1}, "parser": {"min_action_freq": 1}}
    nlp.add_pipe(pipe, config={"model": model, **settings.get(pipe, {})})
    gold = make_gold(nlp)
    sgd = nlp.initialize(lambda: [eg for eg in gold if len(eg.reference)])
    for _ in range(3):
        nlp.update(make_gold(nlp), sgd=sgd)
    mix = get_listener(nlp, pipe).layers[0]
    assert mix.get_param("weights").any()
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    for text, _ in TEXTS:
        one, two = nlp(text), loaded(text)
        assert one.to_json() == two.to_json()


def test_the_entity_linker(tmp_path: Path) -> None:
    from spacy.kb import InMemoryLookupKB

    def create_kb(vocab: Any) -> InMemoryLookupKB:
        kb = InMemoryLookupKB(vocab, entity_vector_length=16)
        for number, entity in enumerate(("Q1", "Q2")):
            kb.add_entity(entity=entity, freq=10, entity_vector=[1.0 - 2 * number] * 16)
        kb.add_alias(alias="bank", entities=["Q1", "Q2"], probabilities=[0.5, 0.5])
        return kb

    nlp = pipeline()
    nlp.add_pipe("sentencizer", first=True)
    linker: Any = nlp.add_pipe("entity_linker", config={"model": {"tok2vec": LISTENER}})
    linker.set_kb(create_kb)

    def gold() -> list[Example]:
        made = []
        for text, entity in (("The bank of the river .", "Q1"), ("My bank lends money . It grows .", "Q2")):
            doc = nlp.make_doc(text)
            doc.ents = [Span(doc, 1, 2, label="X")]
            for token in doc:
                token.is_sent_start = token.i == 0 or doc[token.i - 1].text == "."
            links = {(4 if text[0] == "T" else 3, 8 if text[0] == "T" else 7): {entity: 1.0}}
            made.append(Example.from_dict(doc, {"links": links, "entities": [(*next(iter(links)), "X")]}))
        return made

    nlp.initialize(gold)
    sgd = Adam(0.02)
    for _ in range(60):
        nlp.update(gold(), sgd=sgd)
    for example, entity in zip(gold(), ("Q1", "Q2")):
        doc: Doc = example.predicted
        for _, pipe in nlp.pipeline[1:]:
            doc = pipe(doc)
        assert doc.ents[0].kb_id_ == entity
