"""A biLM inside one component: trained, saved, never shared."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language

from spacy_elmo.models.module import get_module
from spacy_elmo.models.settings import TrainingSettings
from spacy_elmo.models.tok2vec import ReplaceListenerConfig
from tests.components import get_trainable
from tests.data import TINY
from tests.pipeline.training import LISTENER, arrays, initialize, pipeline, tags, train

ELMO = {"@architectures": "spacy-elmo.Elmo.v1", "precision": "fp32", "initial_state": "zero"}
SPANS = {"max_batch_tokens": 8192, "get_spans": {"@misc": "spacy-elmo.sent_spans.v1"}}


def inline(listener: Any = LISTENER, **settings: Any) -> Language:
    block = {
        "@architectures": "spacy-elmo.ElmoTok2Vec.v1",
        "elmo": {**ELMO, **SPANS},
        "listener": listener,
        "source": str(TINY),
        **settings,
    }
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger", config={"model": {"tok2vec": block}})
    return nlp


def weights(nlp: Language) -> Any:
    model = get_trainable(nlp).model
    node = next(node for node in model.walk() if node.name == "elmo_tok2vec")
    return {name: np.array(array) for name, array in get_module(node.layers[0]).sync().named_arrays().items()}


@pytest.mark.parametrize("frozen", [True, False])
def test_it_trains_and_is_saved(frozen: bool, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "source")
    nlp = inline(source=str(tmp_path / "source"), frozen=frozen)
    sgd = initialize(nlp)
    before = weights(nlp)
    train(nlp, sgd, steps=3)
    learnt = {name for name, array in weights(nlp).items() if not np.array_equal(array, before[name])}
    assert learnt == (set() if frozen else {name for name in before if not name.startswith("scalar_mix.")})
    nlp.to_disk(tmp_path / "nlp")
    shutil.rmtree(tmp_path / "source")  # what was saved holds its own weights
    loaded = spacy.load(tmp_path / "nlp")
    assert tags(loaded) == tags(nlp)
    train(loaded, loaded.resume_training(), steps=1)


@pytest.mark.parametrize("frozen", [True, False])
def test_it_learns_what_a_listener_learns(frozen: bool) -> None:
    shared, own = pipeline("tagger", frozen=frozen), inline(frozen=frozen)
    for nlp in (shared, own):
        train(nlp, initialize(nlp), steps=5)
    assert tags(shared) == tags(own)
    for name, array in arrays(shared).items():
        np.testing.assert_allclose(weights(own)[name], array, atol=1e-6, err_msg=name)


def test_its_layers_may_be_cached(tmp_path: Path) -> None:
    cache = {"@misc": "spacy-elmo.layer_cache.v1", "folder": str(tmp_path), "dtype": "float32"}
    cached, plain = inline(cache=cache), inline()
    for nlp in (cached, plain):
        train(nlp, initialize(nlp), steps=3)
    assert tags(cached) == tags(plain)
    assert list(tmp_path.iterdir())


def test_without_a_source() -> None:
    with pytest.raises(ValueError, match="EL057"):
        initialize(inline(source=None))


def test_no_docs() -> None:
    nlp = inline()
    initialize(nlp)
    model = get_trainable(nlp).model.get_ref("tok2vec")
    assert model.predict([]) == []
    assert [array.shape for array in model.predict([nlp.make_doc("")])] == [(0, 16)]


@pytest.mark.parametrize(
    ("block", "count"),
    [
        ({"@architectures": "spacy.HashEmbedCNN.v2"}, 0),
        ({"a": LISTENER, "b": {**LISTENER, "l2": 0.5}}, 2),
        ({"a": LISTENER, "b": {**LISTENER, "l2": 0.5}, "c": dict(LISTENER)}, 2),
    ],
)
def test_which_listener_to_replace(block: Any, count: int) -> None:
    with pytest.raises(ValueError, match=rf"EL120.*found {count} different ones\. Keep the embedder"):
        ReplaceListenerConfig(TrainingSettings())(dict(ELMO), block)
