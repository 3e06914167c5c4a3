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
from thinc.api import Adam, Optimizer

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.elmo import Elmo
from spacy_elmo.models.listener import get_pooling
from spacy_elmo.pipeline.mixes import find_mixes
from tests.components import get_embedder, get_listener, get_trainable, update
from tests.data import TINY
from tests.pipeline.training import (
    LISTENER,
    TEXTS,
    arrays,
    examples,
    initialize,
    list_changed,
    pipeline,
    tags,
    train,
    train_like_spacy,
)

TEXT = "I like green eggs"


def train_pipeline(
    *pipes: str, steps: int = 3, averages: bool = False, **settings: Any
) -> tuple[Language, Optimizer]:
    """A pipeline whose last step is pending."""
    nlp = pipeline(*(pipes or ("tagger",)), **{"frozen": False, **settings})
    initialize(nlp)
    sgd = Adam(0.01, L2=0.0, use_averages=averages)
    train(nlp, sgd, steps=steps)
    return nlp, sgd


def test_averages_after_a_pending_step() -> None:
    found = []
    for is_applied in (False, True):
        nlp, sgd = train_pipeline(averages=True)
        if is_applied:
            arrays(nlp)
        with nlp.use_params(sgd.averages):
            tensor = nlp(TEXT).tensor
        assert sgd.averages is not None
        found.append((tensor, arrays(nlp), [value.copy() for value in sgd.averages.values()]))
    (one, before, averages), (two, after, expected) = found
    np.testing.assert_array_equal(one, two)
    assert list_changed(before, after) == []
    for one_average, other in zip(averages, expected, strict=True):
        np.testing.assert_array_equal(one_average, other)


def test_a_step_of_two_parts() -> None:
    trained = []
    for together in (True, False):
        nlp = pipeline("tagger", "ner", frozen=False, listener={**LISTENER, "l2": 0.0})
        initialize(nlp)
        sgd = Adam(0.01, L2=0.0, use_averages=False)
        for _ in range(3):
            gold = examples(nlp)
            update(nlp, gold[:1], sgd=False)
            update(nlp, gold[1:], sgd=sgd if together else False)
            if not together:
                for name in nlp.pipe_names:
                    get_trainable(nlp, name).finish_update(sgd)
        trained.append({**arrays(nlp), "W": get_trainable(nlp).model.get_ref("softmax").get_param("W")})
    assert list_changed(*trained) == []


def test_each_copy_has_its_own_optimizer_state() -> None:
    nlp, _ = train_pipeline("tagger", "ner")
    for name in ("tagger", "ner"):
        nlp.replace_listeners("elmo_embedder", name, ["model.tok2vec"])
    models = [get_trainable(nlp, name).model for name in ("elmo_embedder", "tagger", "ner")]
    shims = [shim.id for model in models for node in model.walk() for shim in node.shims]
    assert len(set(shims)) == 3


def test_copies_have_the_pending_step() -> None:
    nlp, _ = train_pipeline()
    pickled = pickle.loads(pickle.dumps(get_embedder(nlp)))
    copied = get_embedder(copy.deepcopy(train_pipeline()[0]))
    expected = arrays(nlp)
    for one in (pickled, copied):
        assert (
            list_changed({name: np.array(array) for name, array in one.elmo.named_arrays().items()}, expected)
            == []
        )


def test_replaced_listener_has_the_pending_step() -> None:
    nlp, _ = train_pipeline()
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    replaced = tags(nlp)
    other, _ = train_pipeline()
    assert tags(other) == replaced


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"layers": []}, {"pooling_layer": "word_emb"}])
def test_copies_know_what_is_listened_to(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    nlp, _ = train_pipeline("tagger", "ner", **settings)
    monkeypatch.setattr("spacy.language.mp", multiprocessing.get_context("spawn"))
    texts = [text for text, _ in TEXTS]
    docs = list(nlp.pipe(texts, n_process=2, batch_size=2))
    assert [[token.tag_ for token in doc] for doc in docs] == tags(nlp)
    copied = copy.deepcopy(nlp)
    assert tags(copied) == tags(nlp)


def test_sourcing_leaves_the_first_pipeline_alone() -> None:
    nlp, sgd = train_pipeline(layers=[])
    expected = tags(nlp)
    other = pipeline(frozen=False, layers=[])
    other.add_pipe("tagger", source=nlp)
    assert tags(nlp) == expected
    train(nlp, sgd, steps=1)
    train(other, Adam(0.01), steps=1)


def test_sourced_embedder_in_its_new_pipeline() -> None:
    nlp, _ = train_pipeline()
    third, _ = train_pipeline()
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", source=nlp)
    other.add_pipe("tagger", source=third)
    other(TEXT)
    assert get_embedder(other).listeners == [get_listener(third)]
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
    assert get_embedder(nlp, "near").listeners
    assert not get_embedder(nlp, "far").listeners
    gold = examples(nlp)
    for name in ("far", "near"):
        if name not in exclude:
            get_trainable(nlp, name).update(gold)
    learns_from = get_listener(nlp).begin_update([gold[0].predicted])[0]
    predicts_from = get_listener(nlp).predict([nlp(TEXT)])
    np.testing.assert_allclose(learns_from[0], predicts_from[0], atol=1e-5)


def test_nobody_elses_tensor_passes_for_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp, _ = train_pipeline(set_tensor=False)
    monkeypatch.setattr(Elmo, "embed", None)
    doc = nlp.make_doc(TEXT)
    doc.tensor = np.ones((4, 96), dtype="f")
    with nlp.select_pipes(disable=["elmo_embedder"]), pytest.warns(UserWarning, match="WL003"):
        get_trainable(nlp)(doc)


def test_doc_without_layers_among_others() -> None:
    nlp, _ = train_pipeline()
    listener, doc = get_listener(nlp), nlp(TEXT)
    expected = listener.predict([doc])[0]
    with nlp.select_pipes(disable=["elmo_embedder"]), pytest.warns(UserWarning, match="WL003"):
        nothing, found = listener.predict([nlp.make_doc(TEXT), doc])
    np.testing.assert_array_equal(found, expected)
    assert not nothing.any()


@pytest.mark.parametrize("set_tensor", [True, False])
def test_parts_of_docs(set_tensor: bool) -> None:
    """As the entity linker makes them: without layers."""
    nlp, _ = train_pipeline(set_tensor=set_tensor)
    part = nlp("I like it . You eat ham")[4:7].as_doc()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = get_listener(nlp).predict([part])[0]
    np.testing.assert_allclose(found, get_listener(nlp).predict([nlp("You eat ham")])[0], atol=1e-5)


def test_parts_run_by_themselves() -> None:
    nlp, _ = train_pipeline()
    # Another vocabulary, so that nothing but the Docs tells.
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", source=nlp)
    doc = other("I like it . You eat ham")
    parts = doc[0:4].as_doc(), doc[4:7].as_doc()
    get_embedder(other)(parts[0])
    del parts
    # The embedder has seen Docs of its first pipeline last.
    nlp(TEXT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = get_listener(nlp).predict([doc[4:7].as_doc()])[0]
    assert found.any()


def test_a_cleaned_doc_is_run_again() -> None:
    nlp, _ = train_pipeline()
    doc, expected = nlp(TEXT), nlp(TEXT).tensor
    cleaned: Any = doc
    cleaned.tensor = None
    np.testing.assert_array_equal(nlp(doc).tensor, expected)


@pytest.mark.parametrize("way", [train, train_like_spacy])
def test_the_fast_engine_is_not_made_for_training(way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[BiLM] = []
    learn = Elmo.learn

    def count(elmo: Elmo, bilm: BiLM) -> None:
        learned.append(bilm)
        learn(elmo, bilm)

    monkeypatch.setattr(Elmo, "learn", count)
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
    nlp, sgd = train_pipeline(learn_rate_factor=1.0)
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("elmo_embedder")
    get_trainable(nlp)._rehearsal_model = get_trainable(nlp).model.copy()
    train(nlp, sgd, steps=1)
    assert "tagger" in nlp.rehearse(examples(nlp, empty=False), sgd=sgd)


def test_initialised_again() -> None:
    nlp, _ = train_pipeline()
    source = arrays(pipeline())
    before = arrays(nlp)
    train(nlp, Adam(0.01), steps=1)
    assert list_changed(before, arrays(nlp)) != []
    train(nlp, Adam(0.01), steps=1)
    initialize(nlp)
    # What it had learned is taken back, and the pending step is dropped.
    assert list_changed(source, arrays(nlp)) == []
    assert not get_pooling(get_listener(nlp)).get_param("weights").any()


def test_weights_that_only_initialisation_reads(tmp_path: Path) -> None:
    nlp = pipeline()
    nlp.config["initialize"]["components"] = {"elmo_embedder": {"source": "another"}}
    with pytest.raises(
        ValueError, match=r"EL121.*from another.*Call nlp\.initialize\(\) first.*frozen_components"
    ):
        nlp(TEXT)
    nlp.config["initialize"]["components"]["elmo_embedder"]["source"] = str(TINY)
    nlp(TEXT)


def test_saving_cleans_docs() -> None:
    nlp, _ = train_pipeline()
    gold = examples(nlp)
    embedder = get_embedder(nlp)
    embedder.update(gold)
    assert any("batch" in str(key) for key in gold[0].predicted.user_data)
    embedder.to_bytes()
    assert gold[0].predicted.user_data == {}


def test_the_mix_of_a_replaced_listener_is_found() -> None:
    nlp, _ = train_pipeline(listener={**LISTENER, "pooling_layer": "elmo"})
    expected = find_mixes(nlp)[0]
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    assert [mix.name for mix in find_mixes(nlp)] == ["shared (elmo)", "tagger"]
    assert find_mixes(nlp)[1][1:] == expected[1:]
