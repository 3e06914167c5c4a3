"""Sentence boundaries that come too late, or not at all."""

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.pipeline.pipeline_ref import LONG
from tests.pipeline.conftest import Make
from tests.pipeline.training import initialize, pipeline

TEXT = "The bank of the river . A bank lends money ."


@Language.component("own_boundaries", assigns=["token.is_sent_start"])
def own_boundaries(doc: Doc) -> Doc:
    for token in doc:
        token.is_sent_start = token.i == 0
    return doc


def problems(nlp: Language) -> Any:
    return nlp.analyze_pipes()["problems"]["elmo_embedder"]


@pytest.mark.parametrize("setter", ["sentencizer", "own_boundaries"])
def test_boundaries_behind_the_embedder_are_said_once(make: Make, setter: str) -> None:
    nlp = make()
    assert problems(nlp) == []
    nlp.add_pipe(setter)
    assert problems(nlp) == ["token.is_sent_start"]
    with pytest.warns(UserWarning, match=rf"WL024.*'{setter}' sets sentence boundaries after 'elmo_embedder'"):
        late = nlp(TEXT)
    nlp(TEXT)
    nlp.remove_pipe(setter)
    assert problems(nlp) == []
    nlp.add_pipe(setter, first=True)
    assert problems(nlp) == []
    assert nlp.analyze_pipes()["summary"]["elmo_embedder"]["requires"] == []
    if setter == "sentencizer":
        assert not np.allclose(nlp(TEXT).tensor, late.tensor)


@pytest.mark.parametrize("setter", ["senter", "parser"])
def test_what_learns_boundaries(make: Make, setter: str) -> None:
    nlp = make()
    nlp.add_pipe(setter)
    with pytest.warns(UserWarning, match=rf"WL024.*'{setter}'"):
        nlp.get_pipe("elmo_embedder")(nlp.make_doc(TEXT))


def test_in_a_pipeline_that_it_does_not_know(make: Make) -> None:
    source, nlp = make(), spacy.blank("en")
    nlp.add_pipe("elmo_embedder", source=source)
    nlp.add_pipe("sentencizer")
    with pytest.warns(UserWarning, match=r"WL024.*'sentencizer'"):
        nlp(TEXT)


def test_nothing_is_said(make: Make) -> None:
    """Where boundaries are there, cannot be, or are of no matter."""
    nlp = make()
    nlp.add_pipe("sentencizer", first=True)
    nlp.add_pipe("parser")
    doc = nlp.get_pipe("sentencizer")(nlp.make_doc(TEXT))
    nlp.get_pipe("elmo_embedder")(doc)
    # What listens to the embedder cannot stand before it.
    nlp = pipeline("parser", "senter")
    initialize(nlp)
    assert problems(nlp) == []
    nlp(TEXT)
    nlp = make(model={"get_spans": {"@misc": "spacy-elmo.doc_spans.v1"}})
    nlp.add_pipe("sentencizer")
    nlp(TEXT)
    nlp(Doc(nlp.vocab, words=["a"] * (LONG + 1)))


def test_a_long_doc_without_boundaries_is_said_once(nlp: Language) -> None:
    nlp(Doc(nlp.vocab, words=["a"] * LONG))
    nlp(Doc(nlp.vocab, words=["a"] * (LONG + 1), sent_starts=[True, *[False] * LONG]))
    with pytest.warns(
        UserWarning, match=r"WL025.*501 tokens.*nlp.add_pipe\('sentencizer', before='elmo_embedder'\)"
    ):
        nlp(Doc(nlp.vocab, words=["a"] * (LONG + 1)))
    nlp(Doc(nlp.vocab, words=["a"] * (LONG + 2)))
