"""One embedder in several pipelines, or in copies: what it and its listeners know does not hang on one of them."""

import copy
import gc
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example

from spacy_elmo.models.listener import get_upstream
from tests.components import get_array, get_embedder, get_listener, get_trainable
from tests.data import TINY
from tests.pipeline.training import (
    LISTENER,
    arrays,
    examples,
    initialize,
    list_changed,
    pipeline,
    tags,
    train,
)

TEXT = "I like green eggs"


@pytest.fixture
def trained() -> Language:
    """What the tagger reads is not what the embedder would keep by itself."""
    nlp = pipeline("tagger", pooling_layer="word_emb", layers=["word_emb"])
    train(nlp, initialize(nlp), steps=15)
    return nlp


def source_into_another(nlp: Language) -> Language:
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", source=nlp)
    other.add_pipe("tagger", source=nlp)
    return other


def load_into_another(nlp: Language) -> Language:
    other = pipeline("tagger", pooling_layer="word_emb", layers=["word_emb"])
    return other.from_bytes(nlp.to_bytes())


def enable_after_a_copy(nlp: Language) -> Language:
    data = nlp.to_bytes()
    other = pipeline("tagger", pooling_layer="word_emb", layers=["word_emb"]).from_bytes(data)
    other.disable_pipe("tagger")
    other._link_components()
    other = copy.deepcopy(other)
    other.enable_pipe("tagger")
    return other


@pytest.mark.parametrize(
    "remake",
    [
        source_into_another,
        copy.deepcopy,
        lambda nlp: pickle.loads(pickle.dumps(nlp)),
        load_into_another,
        enable_after_a_copy,
        lambda nlp: source_into_another(copy.deepcopy(nlp)),
    ],
)
def test_same_tags_without_the_first_pipeline(trained: Language, remake: Callable[[Language], Language]) -> None:
    expected = tags(trained)
    part = trained(TEXT)[1:4].as_doc()
    expected_part = get_listener(trained).predict([trained(part.text)])[0]
    other = remake(trained)
    del trained
    gc.collect()
    assert tags(other) == expected
    # Also Docs that were cut out of others, as the entity linker does it.
    doc = other(TEXT)
    found = get_listener(other).predict([doc[1:4].as_doc()])[0]
    np.testing.assert_allclose(found, expected_part, atol=1e-5)
    train(other, other.resume_training(), steps=1)


def test_two_pipelines_share_an_embedder(trained: Language) -> None:
    expected = tags(trained)
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", source=trained)
    other.add_pipe("tagger", config={"model": {"tok2vec": {**LISTENER, "pooling_layer": "lstm_outputs1"}}})
    gold = [Example.from_dict(other.make_doc(TEXT), {"tags": ["A", "B", "C", "D"]})]
    with other.select_pipes(disable=["elmo_embedder"]):
        get_trainable(other).initialize(lambda: gold, nlp=other)
    other.update(gold, sgd=trained.create_optimizer())
    assert tags(trained) == expected
    train(trained, trained.resume_training(), steps=1)
    other(TEXT)


def test_tagger_sourced_without_its_embedder(trained: Language) -> None:
    other = spacy.blank("en")
    other.add_pipe("tagger", source=trained)
    with pytest.warns(UserWarning, match=r"WL003.*predicts from zeros"):
        other(TEXT)
    # It is the same object in its own pipeline, where nothing is wrong.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tags(trained)[0] == [token.tag_ for token in trained(TEXT)]


def test_the_embedder_that_a_listener_names() -> None:
    """Also where another one comes between: what is on the Docs is of that."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", name="far", config={"source": str(TINY)})
    nlp.add_pipe("elmo_embedder", name="near", config={"source": "en_sm"})
    nlp.add_pipe("tagger", config={"model": {"tok2vec": {**LISTENER, "upstream": "far", "width": 16}}})
    nlp.initialize(lambda: examples(nlp, empty=False))
    doc = nlp(TEXT)
    assert get_listener(nlp).predict([doc])[0].shape == (4, 16)


# Training without nlp.update


def test_rehearsing() -> None:
    for frozen in (True, False):
        nlp = pipeline("tagger", frozen=frozen)
        train(nlp, initialize(nlp), steps=2)
        before = arrays(nlp)
        sgd = nlp.resume_training()
        losses = nlp.rehearse([Example.from_dict(nlp.make_doc("You like it"), {})], sgd=sgd)
        assert losses["tagger"] >= 0
        assert list_changed(before, arrays(nlp)) == []


def test_a_component_by_itself() -> None:
    """`tagger.update`, as `spacy debug model` calls it, learns what it learns within `nlp.update`."""
    alone, together = pipeline("tagger"), pipeline("tagger")
    for nlp in (alone, together):
        sgd = initialize(nlp)
        for _ in range(10):
            if nlp is alone:
                get_trainable(nlp).update(examples(nlp), sgd=sgd)
            else:
                nlp.update(examples(nlp), sgd=sgd)
    assert tags(alone) == tags(together)
    mixes = [get_listener(nlp).layers[0] for nlp in (alone, together)]
    one, two = (get_array(mix, "weights") for mix in mixes)
    np.testing.assert_allclose(one, two, atol=1e-4)
    assert one.any()


def test_component_of_a_learning_embedder() -> None:
    nlp = pipeline("tagger", frozen=False)
    sgd = initialize(nlp)
    with pytest.raises(ValueError, match=r"EL182.*'elmo_embedder' is trainable.*nlp.update"):
        get_trainable(nlp).update(examples(nlp), sgd=sgd)
    nlp.update(examples(nlp), sgd=sgd)


# A fresh start


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("pooling_layer", [None, "elmo"])
def test_initialize_starts_afresh(frozen: bool, pooling_layer: Any) -> None:
    nlp = pipeline("tagger", frozen=frozen, listener={**LISTENER, "pooling_layer": pooling_layer})
    sgd = initialize(nlp)
    before, tensor, mix = arrays(nlp), nlp(TEXT).tensor, get_mix(nlp)
    for _ in range(2):
        train(nlp, sgd, steps=3)
        assert bool(list_changed(before, arrays(nlp))) is (not frozen or pooling_layer == "elmo")
        sgd = initialize(nlp)
        assert list_changed(before, arrays(nlp)) == []
        np.testing.assert_array_equal(nlp(TEXT).tensor, tensor)
        assert get_mix(nlp) == mix


def get_mix(nlp: Language) -> list[float]:
    node = get_listener(nlp).layers[0]
    return get_array(node, "weights").tolist() if node.has_param("weights") else []


def test_initialize_after_loading(tmp_path: Path) -> None:
    nlp = pipeline("tagger", frozen=False)
    sgd = initialize(nlp)
    source = arrays(nlp)
    train(nlp, sgd, steps=2)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    saved = arrays(loaded)
    train(loaded, loaded.resume_training(), steps=2)
    for remake in (copy.deepcopy, lambda nlp: nlp):
        again = remake(loaded)
        assert list_changed(saved, arrays(again)) != []
        initialize(again)
        assert list_changed(saved, arrays(again)) == []
    assert list_changed(source, saved) != []
    loaded.config["initialize"]["components"]["elmo_embedder"] = {"source": str(TINY)}
    initialize(loaded)
    assert list_changed(source, arrays(loaded)) == []


def test_link_is_weak() -> None:
    nlp = pipeline("tagger")
    listener = get_listener(nlp)
    assert get_upstream(listener).owner is get_embedder(nlp)
    nlp.remove_pipe("elmo_embedder")
    gc.collect()
    assert get_upstream(listener).owner is None
