"""Pipelines and Docs of earlier versions; see tests/saved/README.md."""

from pathlib import Path

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from tests.data import ROOT, read_npz

SAVED = ROOT / "tests" / "saved"
TEXTS = ["I love green eggs .", "She sells ham . We like eggs ."]
# The spaCy that saved it may be a newer one.
pytestmark = pytest.mark.filterwarnings("ignore:.*W095")
LAYERS = ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]


@pytest.fixture(params=["folder", "bytes"])
def nlp(request: pytest.FixtureRequest) -> Language:
    if request.param == "folder":
        return spacy.load(SAVED / "pipeline")
    config = spacy.util.load_config(SAVED / "pipeline" / "config.cfg")
    return spacy.blank("en").from_config(config).from_bytes((SAVED / "pipeline.bytes").read_bytes())


def check(docs: list[Doc]) -> None:
    expected = read_npz(SAVED / "expected.npz")
    for i, doc in enumerate(docs):
        assert doc._.elmo.names == LAYERS
        for name in LAYERS:
            np.testing.assert_allclose(doc._.elmo[name], expected[f"{i}.{name}"], atol=1e-5)
    assert [token.tag_ for doc in docs for token in doc] == expected["tags"].tolist()


def test_pipeline(nlp: Language) -> None:
    docs = list(nlp.pipe(TEXTS))
    check(docs)
    assert all(doc.tensor.shape == (len(doc), 16) for doc in docs)


def test_training_goes_on(nlp: Language, tmp_path: Path) -> None:
    examples = [spacy.training.Example(nlp.make_doc(text), nlp(text)) for text in TEXTS]
    losses = nlp.update(examples, sgd=nlp.resume_training())
    assert losses["tagger"] > 0
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    np.testing.assert_allclose(again(TEXTS[0])._.elmo.elmo, nlp(TEXTS[0])._.elmo.elmo, atol=1e-6)


def test_docs() -> None:
    nlp = spacy.load(SAVED / "pipeline")
    check(list(DocBin(store_user_data=True).from_disk(SAVED / "docs.spacy").get_docs(nlp.vocab)))
