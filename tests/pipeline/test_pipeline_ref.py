"""What the embedder sees of its pipeline: who else writes doc.tensor, and who sets sentence boundaries."""

import copy
import gc
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from spacy_elmo.pipeline.pipeline_ref import LONG, PipelineRef
from tests.components import get_embedder, get_trainable
from tests.pipeline.conftest import Make
from tests.pipeline.training import initialize, pipeline

TEXT = "She sells sea shells"
SENTENCES = "The bank of the river . A bank lends money ."


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
def test_coexists_without_the_tensor(tiny: Path, where: dict[str, Any]) -> None:
    nlp = tagger_on_tok2vec()
    expected = nlp(TEXT)
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny), "set_tensor": False}, **where)
    doc = nlp(TEXT)
    assert [token.tag_ for token in doc] == [token.tag_ for token in expected]
    np.testing.assert_array_equal(doc.tensor, expected.tensor)
    assert doc._.elmo.elmo.shape == (4, 16)


@pytest.mark.parametrize("where", [{"first": True}, {"after": "tok2vec"}, {"last": True}])
def test_two_writers_are_refused(tiny: Path, where: dict[str, Any]) -> None:
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
def test_tensor_is_left_to_others(tiny: Path, where: dict[str, Any], remake: Any) -> None:
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


def test_sourced_where_a_tensor_is_set(make: Make) -> None:
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


def test_two_embedders(make: Make, tiny: Path) -> None:
    nlp = make(set_tensor=True)
    nlp.add_pipe("elmo_embedder", name="second", config={"source": str(tiny), "set_tensor": True})
    with pytest.raises(ValueError, match=r"EL050.*'second'"):
        nlp(TEXT)
    nlp.remove_pipe("second")
    nlp.add_pipe("elmo_embedder", name="third", config={"source": str(tiny), "set_tensor": False})
    assert nlp(TEXT).tensor.shape == (4, 16)


def test_last_of_two_embedders_writes(make: Make, tiny: Path) -> None:
    nlp = make()
    config = {"source": str(tiny), "pooling_layer": "word_emb"}
    nlp.add_pipe("elmo_embedder", name="second", config=config)
    assert nlp(TEXT).tensor.shape == (4, 8)


def test_the_last_of_two_embedders_wins(make: Make, tiny: Path) -> None:
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
    embedder = get_embedder(nlp)
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


# Sentence boundaries that come too late, or not at all


@Language.component("own_boundaries", assigns=["token.is_sent_start"])
def own_boundaries(doc: Doc) -> Doc:
    for token in doc:
        token.is_sent_start = token.i == 0
    return doc


def analyze(nlp: Language, part: str) -> Any:
    analysis = nlp.analyze_pipes()
    assert analysis is not None
    return analysis[part]["elmo_embedder"]


@pytest.mark.parametrize("setter", ["sentencizer", "own_boundaries"])
def test_boundaries_behind_the_embedder(make: Make, setter: str) -> None:
    nlp = make()
    assert analyze(nlp, "problems") == []
    nlp.add_pipe(setter)
    assert analyze(nlp, "problems") == ["token.is_sent_start"]
    with pytest.warns(UserWarning, match=rf"WL024.*'{setter}' sets sentence boundaries after 'elmo_embedder'"):
        late = nlp(SENTENCES)
    nlp(SENTENCES)
    nlp.remove_pipe(setter)
    assert analyze(nlp, "problems") == []
    nlp.add_pipe(setter, first=True)
    assert analyze(nlp, "problems") == []
    assert analyze(nlp, "summary")["requires"] == []
    if setter == "sentencizer":
        assert not np.allclose(nlp(SENTENCES).tensor, late.tensor)


@pytest.mark.parametrize("setter", ["senter", "parser"])
def test_learned_boundaries(make: Make, setter: str) -> None:
    nlp = make()
    nlp.add_pipe(setter)
    with pytest.warns(UserWarning, match=rf"WL024.*'{setter}'"):
        get_embedder(nlp)(nlp.make_doc(SENTENCES))


def test_boundaries_in_another_pipeline(make: Make) -> None:
    source, nlp = make(), spacy.blank("en")
    nlp.add_pipe("elmo_embedder", source=source)
    nlp.add_pipe("sentencizer")
    with pytest.warns(UserWarning, match=r"WL024.*'sentencizer'"):
        nlp(SENTENCES)


def test_no_warning(make: Make) -> None:
    """Where boundaries are there, cannot be, or are of no matter."""
    nlp = make()
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("parser")
    doc = get_trainable(nlp, "sentencizer")(nlp.make_doc(SENTENCES))
    get_embedder(nlp)(doc)
    # What listens to the embedder cannot stand before it.
    nlp = pipeline("parser", "senter")
    initialize(nlp)
    assert analyze(nlp, "problems") == []
    nlp(SENTENCES)
    nlp = make(model={"get_spans": {"@misc": "spacy-elmo.doc_spans.v1"}})
    nlp.add_pipe("sentencizer")
    nlp(SENTENCES)
    nlp(Doc(nlp.vocab, words=["a"] * (LONG + 1)))


def test_long_doc_without_boundaries(nlp: Language) -> None:
    nlp(Doc(nlp.vocab, words=["a"] * LONG))
    nlp(Doc(nlp.vocab, words=["a"] * (LONG + 1), sent_starts=[True, *[False] * LONG]))
    with pytest.warns(
        UserWarning, match=r"WL025.*501 tokens.*nlp.add_pipe\('sentencizer', before='elmo_embedder'\)"
    ):
        nlp(Doc(nlp.vocab, words=["a"] * (LONG + 1)))
    nlp(Doc(nlp.vocab, words=["a"] * (LONG + 2)))
