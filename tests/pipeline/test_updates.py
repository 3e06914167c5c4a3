"""When the embedder learns, and what copies, other pipelines and interruptions make of it."""

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from thinc.api import Adam

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.elmo import Elmo
from spacy_elmo.models.listener import get_pooling
from spacy_elmo.pipeline.mixes import find_mixes
from tests.data import TINY
from tests.pipeline.training import (
    LISTENER,
    TEXTS,
    arrays,
    changed,
    examples,
    initialize,
    listener_of,
    pipeline,
    tags,
    train,
    train_like_spacy,
)

TEXT = "I like green eggs"


def made(*pipes: str, steps: int = 3, averages: bool = False, **settings: Any) -> "tuple[Language, Adam]":
    """A pipeline whose last step is owed."""
    nlp = pipeline(*(pipes or ("tagger",)), **{"frozen": False, **settings})
    initialize(nlp)
    sgd = Adam(0.01, L2=0.0, use_averages=averages)
    train(nlp, sgd, steps=steps)
    return nlp, sgd


def test_averages_after_an_owed_step() -> None:
    found = []
    for settles in (False, True):
        nlp, sgd = made(averages=True)
        if settles:
            arrays(nlp)
        with nlp.use_params(sgd.averages):
            tensor = nlp(TEXT).tensor
        found.append((tensor, arrays(nlp), [value.copy() for value in sgd.averages.values()]))
    (one, before, averages), (two, after, expected) = found
    np.testing.assert_array_equal(one, two)
    assert changed(before, after) == []
    for one_average, other in zip(averages, expected, strict=True):
        np.testing.assert_array_equal(one_average, other)


def test_a_step_of_two_parts_taken_with_the_second() -> None:
    trained = []
    for together in (True, False):
        nlp = pipeline("tagger", "ner", frozen=False, listener={**LISTENER, "l2": 0.0})
        initialize(nlp)
        sgd = Adam(0.01, L2=0.0, use_averages=False)
        for _ in range(3):
            gold = examples(nlp)
            nlp.update(gold[:1], sgd=False)
            nlp.update(gold[1:], sgd=sgd if together else False)
            if not together:
                for _, pipe in nlp.pipeline:
                    pipe.finish_update(sgd)
        trained.append({**arrays(nlp), "W": nlp.get_pipe("tagger").model.get_ref("softmax").get_param("W")})
    assert changed(*trained) == []


def test_each_copy_has_its_own_optimizer_state() -> None:
    nlp, _ = made("tagger", "ner")
    for name in ("tagger", "ner"):
        nlp.replace_listeners("elmo_embedder", name, ["model.tok2vec"])
    models = [nlp.get_pipe(name).model for name in ("elmo_embedder", "tagger", "ner")]
    shims = [shim.id for model in models for node in model.walk() for shim in node.shims]
    assert len(set(shims)) == 3


def test_what_is_owed_is_in_every_copy() -> None:
    nlp, _ = made()
    pickled = pickle.loads(pickle.dumps(nlp.get_pipe("elmo_embedder")))
    copied = copy.deepcopy(made()[0]).get_pipe("elmo_embedder")
    expected = arrays(nlp)
    for one in (pickled, copied):
        assert changed({name: np.array(array) for name, array in one.elmo.named_arrays().items()}, expected) == []


def test_what_is_owed_is_in_what_replaces_a_listener() -> None:
    nlp, _ = made()
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    replaced = tags(nlp)
    other, _ = made()
    assert tags(other) == replaced


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"layers": []}, {"pooling_layer": "word_emb"}])
def test_copies_know_what_is_listened_to(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    nlp, _ = made("tagger", "ner", **settings)
    monkeypatch.setattr("spacy.language.mp", multiprocessing.get_context("spawn"))
    texts = [text for text, _ in TEXTS]
    docs = list(nlp.pipe(texts, n_process=2, batch_size=2))
    assert [[token.tag_ for token in doc] for doc in docs] == tags(nlp)
    copied = copy.deepcopy(nlp)
    assert tags(copied) == tags(nlp)


def test_sourcing_leaves_the_first_pipeline_alone() -> None:
    nlp, sgd = made(layers=[])
    expected = tags(nlp)
    other = pipeline(frozen=False, layers=[])
    other.add_pipe("tagger", source=nlp)
    assert tags(nlp) == expected
    train(nlp, sgd, steps=1)
    train(other, Adam(0.01), steps=1)


def test_sourced_embedder_in_its_new_pipeline() -> None:
    nlp, _ = made()
    third, _ = made()
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", source=nlp)
    other.add_pipe("tagger", source=third)
    other(TEXT)
    assert other.get_pipe("elmo_embedder").listeners == [listener_of(third, "tagger")]
    other.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])


@pytest.mark.parametrize("exclude", [[], ["near"], ["far", "near"]])
def test_nearer_of_two_embedders(exclude: list[str]) -> None:
    """Nor in training where it is excluded, and the other one has run the Docs."""
    nlp = spacy.blank("en")
    for name, source in (("far", str(TINY)), ("near", "en_sm")):
        nlp.add_pipe("elmo_embedder", name=name, config={"source": source, "set_tensor": False})
    nlp.add_pipe("tagger", config={"model": {"tok2vec": LISTENER}})
    sgd = initialize(nlp)
    for _ in range(3):
        nlp.update(examples(nlp), sgd=sgd, exclude=exclude)
    assert nlp.get_pipe("near").listeners
    assert not nlp.get_pipe("far").listeners
    gold = examples(nlp)
    for name in ("far", "near"):
        if name not in exclude:
            nlp.get_pipe(name).update(gold)
    learns_from = listener_of(nlp, "tagger").begin_update([gold[0].predicted])[0]
    predicts_from = listener_of(nlp, "tagger").predict([nlp(TEXT)])
    np.testing.assert_allclose(learns_from[0], predicts_from[0], atol=1e-5)


def test_nobody_elses_tensor_passes_for_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp, _ = made(set_tensor=False)
    monkeypatch.setattr(Elmo, "embed", None)
    doc = nlp.make_doc(TEXT)
    doc.tensor = np.ones((4, 96), dtype="f")
    with nlp.select_pipes(disable=["elmo_embedder"]), pytest.warns(UserWarning, match="WL003"):
        nlp.get_pipe("tagger")(doc)


def test_doc_without_layers_among_others() -> None:
    nlp, _ = made()
    listener, doc = listener_of(nlp, "tagger"), nlp(TEXT)
    expected = listener.predict([doc])[0]
    with nlp.select_pipes(disable=["elmo_embedder"]), pytest.warns(UserWarning, match="WL003"):
        nothing, found = listener.predict([nlp.make_doc(TEXT), doc])
    np.testing.assert_array_equal(found, expected)
    assert not nothing.any()


@pytest.mark.parametrize("set_tensor", [True, False])
def test_parts_of_docs(set_tensor: bool) -> None:
    """As the entity linker makes them: without layers."""
    nlp, _ = made(set_tensor=set_tensor)
    part = nlp("I like it . You eat ham")[4:7].as_doc()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = listener_of(nlp, "tagger").predict([part])[0]
    np.testing.assert_allclose(found, listener_of(nlp, "tagger").predict([nlp("You eat ham")])[0], atol=1e-5)


def test_parts_run_by_themselves() -> None:
    nlp, _ = made()
    # Another vocabulary, so that nothing but the Docs tells.
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", source=nlp)
    doc = other("I like it . You eat ham")
    parts = doc[0:4].as_doc(), doc[4:7].as_doc()
    other.get_pipe("elmo_embedder")(parts[0])
    del parts
    # The embedder has seen Docs of its first pipeline last.
    nlp(TEXT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = listener_of(nlp, "tagger").predict([doc[4:7].as_doc()])[0]
    assert found.any()


def test_a_cleaned_doc_is_run_again() -> None:
    nlp, _ = made()
    doc, expected = nlp(TEXT), nlp(TEXT).tensor
    doc.tensor = None
    np.testing.assert_array_equal(nlp(doc).tensor, expected)


@pytest.mark.parametrize("way", [train, train_like_spacy])
def test_the_fast_engine_is_not_made_for_training(way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[BiLM] = []
    learn = Elmo.learn
    monkeypatch.setattr(Elmo, "learn", lambda self, bilm: learned.append(bilm) or learn(self, bilm))
    nlp = pipeline("tagger", frozen=False)
    sgd = initialize(nlp)
    way(nlp, sgd, steps=5)
    assert len(learned) == 0
    nlp(TEXT)
    assert len(learned) == 1


def test_the_loss_of_whitespace_with_layer_norm() -> None:
    nlp = pipeline("tagger", frozen=False, listener={**LISTENER, "layer_norm": True})
    assert train(nlp, initialize(nlp), steps=3)["elmo_embedder"] < 1e4


def test_rehearsal_of_a_component_of_its_own() -> None:
    nlp, sgd = made(learn_rate_factor=1.0)
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("elmo_embedder")
    nlp.get_pipe("tagger")._rehearsal_model = nlp.get_pipe("tagger").model.copy()
    train(nlp, sgd, steps=1)
    assert "tagger" in nlp.rehearse(examples(nlp, empty=False), sgd=sgd)


def test_initialised_again() -> None:
    nlp, _ = made()
    source = arrays(pipeline())
    before = arrays(nlp)
    train(nlp, Adam(0.01), steps=1)
    assert changed(before, arrays(nlp)) != []
    train(nlp, Adam(0.01), steps=1)
    initialize(nlp)
    # What it had learnt is taken back, and the step that was owed goes.
    assert changed(source, arrays(nlp)) == []
    assert not get_pooling(listener_of(nlp, "tagger")).get_param("weights").any()


def test_weights_that_only_initialisation_reads(tmp_path: Path) -> None:
    nlp = pipeline()
    nlp.config["initialize"]["components"] = {"elmo_embedder": {"source": "another"}}
    with pytest.raises(ValueError, match=r"EL121.*from another.*frozen_components"):
        nlp(TEXT)
    nlp.config["initialize"]["components"]["elmo_embedder"]["source"] = str(TINY)
    nlp(TEXT)


def test_nothing_is_left_on_docs_once_it_is_saved() -> None:
    nlp, _ = made()
    gold = examples(nlp)
    embedder = nlp.get_pipe("elmo_embedder")
    embedder.update(gold)
    assert any("batch" in str(key) for key in gold[0].predicted.user_data)
    embedder.to_bytes()
    assert gold[0].predicted.user_data == {}


def test_the_mix_of_a_replaced_listener_is_found() -> None:
    nlp, _ = made(listener={**LISTENER, "pooling_layer": "elmo"})
    expected = find_mixes(nlp)[0]
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    assert [mix.name for mix in find_mixes(nlp)] == ["shared (elmo)", "tagger"]
    assert find_mixes(nlp)[1][1:] == expected[1:]
