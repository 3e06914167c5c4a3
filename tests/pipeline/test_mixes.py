from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

import spacy_elmo
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.models.pooling import OWN_MIX
from spacy_elmo.pipeline.mixes import SHARED, LearnedMix, find_mixes, list_mixes
from tests.components import get_embedder, get_trainable, set_array
from tests.pipeline.conftest import Make

LISTENER = {"@architectures": "spacy-elmo.ElmoListener.v1"}
WEIGHTS = [0.5, -1.0, 2.0]


def softmax(weights: list[float]) -> list[float]:
    exponentials = np.exp(weights)
    return [float(number) for number in exponentials / exponentials.sum()]


@pytest.fixture
def nlp(make: Make) -> Language:
    """A tagger with a mix of its own, a sentence recognizer on the embedder's, and components without any."""
    nlp = make()
    for factory, listener in (("tagger", LISTENER), ("senter", {**LISTENER, "pooling_layer": "elmo"})):
        nlp.add_pipe(factory, config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    nlp.add_pipe("sentencizer")
    doc = Doc(nlp.vocab, words=["I", "see"], tags=["A", "B"], sent_starts=[True, False])
    nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=["I", "see"]), doc)])
    [node] = [node for node in get_trainable(nlp).model.walk() if node.name == OWN_MIX]
    set_array(node, "weights", WEIGHTS)
    set_array(node, "gamma", [0.75])
    return nlp


def assert_mixes(nlp: Language, *expected: LearnedMix) -> None:
    found = find_mixes(nlp)
    assert [mix.name for mix in found] == [mix.name for mix in expected]
    for got, mix in zip(found, expected):
        np.testing.assert_allclose([*got.shares, got.gamma], [*mix.shares, mix.gamma], rtol=1e-6)


def test_of_every_component_that_has_one(nlp: Language, tmp_path: Path) -> None:
    shared = LearnedMix(SHARED, [1 / 3] * 3, 1.0)
    tagger = LearnedMix("tagger", softmax(WEIGHTS), 0.75)
    assert_mixes(nlp, shared, tagger)
    nlp.to_disk(tmp_path / "pipeline")
    loaded = spacy.load(tmp_path / "pipeline", disable=["tagger"])
    assert_mixes(loaded, shared, tagger)


def test_the_embedders_own(nlp: Language) -> None:
    mix = get_embedder(nlp).elmo.mix
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.0, 1.0, 0.0]))
        mix.gamma.fill_(2.0)
    assert_mixes(
        nlp, LearnedMix(SHARED, softmax([0.0, 1.0, 0.0]), 2.0), LearnedMix("tagger", softmax(WEIGHTS), 0.75)
    )


def test_a_listener_that_was_replaced(nlp: Language) -> None:
    nlp.replace_listeners("elmo_embedder", "tagger", ["model.tok2vec"])
    assert_mixes(nlp, LearnedMix(SHARED, [1 / 3] * 3, 1.0), LearnedMix("tagger", softmax(WEIGHTS), 0.75))


def test_pipelines_without(make: Make) -> None:
    assert find_mixes(spacy.blank("en")) == []
    nlp = spacy.blank("en")
    # Not initialised: it has no numbers yet.
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": LISTENER}})
    assert find_mixes(nlp) == []


def test_mixes_of_a_model(tiny: Path) -> None:
    elmo = spacy_elmo.load(tiny)
    [mix] = list_mixes(elmo)
    assert (mix.name, mix.shares, mix.gamma) == ("elmo", pytest.approx([1 / 3] * 3), 1.0)
    other = ScalarMix(n_layers=3)
    with torch.no_grad():
        other.weights.copy_(torch.tensor([0.0, 1.0, 0.0]))
        other.gamma.fill_(2.0)
    elmo.more_mixes.append(other)
    assert [mix.name for mix in list_mixes(elmo, name="m")] == ["m 1", "m 2"]
    mix = list_mixes(elmo)[1]
    assert (mix.name, mix.shares, mix.gamma) == ("elmo 2", pytest.approx(softmax([0.0, 1.0, 0.0])), 2.0)
