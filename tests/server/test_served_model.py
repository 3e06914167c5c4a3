"""What is served of a model or of a pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

import spacy_elmo
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.elmo import Elmo
from spacy_elmo.pipeline.mixes import find_mixes
from spacy_elmo.server.served_model import name_source, serve_elmo, serve_pipeline
from spacy_elmo.splitter import make_splitter
from tests.components import get_embedder
from tests.server.running import run_server

TAGGER = {
    "model": {"@architectures": "spacy.Tagger.v2", "tok2vec": {"@architectures": "spacy-elmo.ElmoListener.v1"}}
}


@pytest.fixture
def pipeline(tmp_path: Path, tiny: Path) -> Path:
    """A pipeline of German words and a rule of its own, with two mixes, saved."""
    nlp = spacy.blank("de")
    tokenizer: Any = nlp.tokenizer
    tokenizer.add_special_case("zumTest", [{"ORTH": "zum"}, {"ORTH": "Test"}])
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny)})
    nlp.add_pipe("tagger", config=TAGGER)
    doc = Doc(nlp.vocab, words=["ein", "Wort"], tags=["A", "B"])
    nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=["ein", "Wort"]), doc)])
    nlp.to_disk(tmp_path / "german")
    return tmp_path / "german"


def test_pipeline(pipeline: Path) -> None:
    """Its model with its mixes; its tokenizer with a sentencizer."""
    served = serve_pipeline(str(pipeline))
    nlp: Language = spacy.load(pipeline)
    assert served.name == "german"
    assert served.mixes == find_mixes(nlp)
    assert [mix.name for mix in served.mixes] == ["shared (elmo)", "tagger"]
    with run_server(served) as running:
        assert running.get("/api/model").json()["lang"] == "de"
        answer = running.post({"text": "Es gilt zumTest. Auch d.h. hier.", "layers": ["elmo"]}).json()
        sentences = [["Es", "gilt", "zum", "Test", "."], ["Auch", "d.h.", "hier", "."]]
        assert [sentence["tokens"] for sentence in answer["sentences"]] == sentences
        for sentence, expected in zip(answer["sentences"], get_embedder(nlp).elmo.embed(sentences)):
            got = np.array(sentence["layers"]["elmo"], dtype=np.float32)
            np.testing.assert_array_equal(got, expected.elmo)
        html = running.post({"text": "", "style": "layers"}, "/api/view").json()["html"]
        assert "tagger" in html
        assert "shared (elmo)" in html


def test_mixes_of_a_model(elmo: Elmo) -> None:
    nlp = make_splitter("en")
    [mix] = serve_elmo(elmo, source="tiny", nlp=nlp).mixes
    assert mix.name == "elmo"
    assert mix.gamma == float(elmo.mix.gamma.detach())
    elmo.more_mixes = [ScalarMix(n_layers=3)]
    names = [mix.name for mix in serve_elmo(elmo, source="tiny", nlp=nlp).mixes]
    assert len(names) == len(set(names)) == 2


def test_wrong_pipelines(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"EL117.*nothing"):
        serve_pipeline(str(tmp_path / "nothing"))
    nlp = spacy.blank("en")
    nlp.to_disk(tmp_path / "blank")
    with pytest.raises(
        ValueError, match=r"EL356.*'blank' has no elmo_embedder; its components are: none.*--source"
    ):
        serve_pipeline(str(tmp_path / "blank"))
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "rules")
    with pytest.raises(ValueError, match=r"EL356.*components are: sentencizer"):
        serve_pipeline(str(tmp_path / "rules"))


def test_carried_state(tiny: Path) -> None:
    """Vectors must not depend on what others have asked."""
    elmo = spacy_elmo.load(tiny, initial_state="carry")
    with pytest.raises(ValueError, match=r"EL357.*'tiny' has initial_state = 'carry'.*'zero' or 'warm'"):
        serve_elmo(elmo, source=tiny, nlp=make_splitter("en"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("en_sm", "en_sm"),
        ("/home/someone/models/tiny/", "tiny"),
        (Path("models/tiny.tar.gz"), "tiny.tar.gz"),
        (["/secret/options.json", "/secret/weights.hdf5"], "weights.hdf5"),
        ("https://user:word@example.org/models/x.hdf5?token=1", "x.hdf5"),
        ("hf://owner/name", "name"),
        (".", "."),
    ],
)
def test_names(source: spacy_elmo.elmo.Source, name: str) -> None:
    assert name_source(source) == name
