"""Beside other components that write doc.tensor."""

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.training import Example

from spacy_elmo.pipeline.pipeline_ref import PipelineRef
from tests.pipeline.conftest import Make

TEXT = "She sells sea shells"


def tagger_on_tok2vec() -> Language:
    """tok2vec and tagger, as in en_core_web_sm: the tagger reads doc.tensor through a listener."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": {"width": 32}})
    tagger = {
        "@architectures": "spacy.Tagger.v2",
        "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 32},
    }
    nlp.add_pipe("tagger", config={"model": tagger})
    tags = ["P", "V", "N", "N"]
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc(TEXT), {"tags": tags})])
    return nlp


@pytest.mark.parametrize("where", [{"first": True}, {"after": "tok2vec"}, {"last": True}])
def test_coexists_without_the_tensor(tiny: object, where: dict) -> None:
    nlp = tagger_on_tok2vec()
    expected = nlp(TEXT)
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny), "set_tensor": False}, **where)
    doc = nlp(TEXT)
    assert [token.tag_ for token in doc] == [token.tag_ for token in expected]
    np.testing.assert_array_equal(doc.tensor, expected.tensor)
    assert doc._.elmo.elmo.shape == (4, 16)


@pytest.mark.parametrize("where", [{"first": True}, {"after": "tok2vec"}, {"last": True}])
def test_two_writers_are_refused(tiny: object, where: dict) -> None:
    nlp = tagger_on_tok2vec()
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny), "set_tensor": True}, **where)
    match = r"EL050.*'elmo_embedder' sets doc.tensor, and so does.*'tok2vec'.*`set_tensor = false`"
    for run in (lambda: nlp(TEXT), lambda: list(nlp.pipe([TEXT])), nlp.initialize):
        with pytest.raises(ValueError, match=match):
            run()
    with nlp.select_pipes(disable=["tok2vec", "tagger"]):
        assert nlp(TEXT).tensor.shape == (4, 16)


@pytest.mark.parametrize("where", [{"first": True}, {"after": "tok2vec"}, {"last": True}])
@pytest.mark.parametrize("remake", [lambda nlp: nlp, copy.deepcopy])
def test_as_it_comes_it_leaves_the_tensor_to_others(tiny: object, where: dict, remake: Any) -> None:
    nlp = tagger_on_tok2vec()
    expected = nlp(TEXT)
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny), "vectors": True, "layers": ["word_emb"]}, **where)
    nlp = remake(nlp)
    with pytest.warns(
        UserWarning, match=r"WL026.*'elmo_embedder' does not set doc.tensor, because .*(tok2vec|before it)"
    ):
        nlp(TEXT)
    for doc in (nlp(TEXT), *nlp.pipe([TEXT]), nlp(nlp(TEXT))):  # it is said once
        assert [token.tag_ for token in doc] == [token.tag_ for token in expected]
        np.testing.assert_array_equal(doc.tensor, expected.tensor)
        np.testing.assert_array_equal(doc[1].vector, doc._.elmo.elmo[1])
    with nlp.select_pipes(disable=["tok2vec", "tagger"]):
        assert nlp(TEXT).tensor.shape == (4, 16)
        assert nlp(nlp(TEXT)).tensor.shape == (4, 16)


def test_sourced_into_a_pipeline_that_has_a_tensor(make: Make) -> None:
    """It does not know this pipeline; the Docs tell."""
    nlp = tagger_on_tok2vec()
    expected = nlp(TEXT)
    source = make()
    nlp.add_pipe("elmo_embedder", source=source)
    with pytest.warns(UserWarning, match=r"WL026.*a component before it"):
        doc = nlp(TEXT)
    np.testing.assert_array_equal(doc.tensor, expected.tensor)
    assert source(TEXT).tensor.shape == (4, 16)
    source = make(set_tensor=True)
    nlp = tagger_on_tok2vec()
    nlp.add_pipe("elmo_embedder", source=source)
    del source
    gc.collect()
    with pytest.raises(ValueError, match=r"EL050.*a component before it"):
        nlp(TEXT)


def test_two_embedders(make: Make, tiny: object) -> None:
    nlp = make(set_tensor=True)
    nlp.add_pipe("elmo_embedder", name="second", config={"source": str(tiny), "set_tensor": True})
    with pytest.raises(ValueError, match=r"EL050.*'second'"):
        nlp(TEXT)
    nlp.remove_pipe("second")
    nlp.add_pipe("elmo_embedder", name="third", config={"source": str(tiny), "set_tensor": False})
    assert nlp(TEXT).tensor.shape == (4, 16)


def test_last_of_two_embedders_writes(make: Make, tiny: object) -> None:
    nlp = make()
    config = {"source": str(tiny), "pooling_layer": "word_emb"}
    nlp.add_pipe("elmo_embedder", name="second", config=config)
    assert nlp(TEXT).tensor.shape == (4, 8)


def test_the_last_of_two_embedders_wins(make: Make, tiny: object) -> None:
    nlp = make()
    nlp.add_pipe(
        "elmo_embedder", name="last", config={"source": str(tiny), "set_tensor": False, "layers": ["word_emb"]}
    )
    doc = nlp(TEXT)
    assert doc.tensor.shape == (4, 16)
    assert doc._.elmo.names == ["word_emb"]


def test_a_worker_keeps_the_answer(make: Make) -> None:
    """Pickled, as for spawned processes, a component has no pipeline to ask."""
    nlp = make(set_tensor=True)
    embedder = nlp.get_pipe("elmo_embedder")
    assert pickle.loads(pickle.dumps(embedder))(nlp.make_doc(TEXT)).tensor.shape == (4, 16)
    nlp.add_pipe("tok2vec")
    with pytest.raises(ValueError, match=r"EL050.*'tok2vec'"):
        pickle.loads(pickle.dumps(embedder))(nlp.make_doc(TEXT))


def test_reference_is_weak() -> None:
    nlp = spacy.blank("en")
    embedder = nlp.add_pipe("elmo_embedder")
    nlp.add_pipe("tok2vec")
    ref = PipelineRef(nlp, embedder)
    assert ref.other_writer() == "tok2vec"
    nlp.disable_pipe("tok2vec")
    assert ref.other_writer() is None
    del nlp
    gc.collect()
    assert ref.other_writer() is None
