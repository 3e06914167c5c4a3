"""What configs may leave out."""

import spacy
from thinc.api import Config

from spacy_elmo.models.module import get_module
from spacy_elmo.models.tokens import sent_spans
from tests.components import get_trainable
from tests.data import TINY
from tests.pipeline.training import initialize, tags, train

BLOCK = {
    "@architectures": "spacy-elmo.ElmoTok2Vec.v1",
    "source": str(TINY),
    "elmo": {"@architectures": "spacy-elmo.Elmo.v1"},
    "listener": {"@architectures": "spacy-elmo.ElmoListener.v1"},
}


def test_elmo_without_settings() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("tagger", config={"model": {"tok2vec": BLOCK}})
    elmo = get_trainable(nlp).model.get_ref("tok2vec").layers[0]
    settings = get_module(elmo).settings
    assert (settings.precision, settings.initial_state, settings.max_batch_tokens) == ("fp32", "zero", None)
    assert settings.n_threads is None
    assert get_module(elmo).map_tokens.get_spans is sent_spans
    train(nlp, initialize(nlp), steps=1)
    assert len(tags(nlp)[0]) == 4
    # A config that spaCy fills up can be written and read.
    text = nlp.config.to_str()
    again = spacy.util.load_model_from_config(Config().from_str(text, interpolate=False), auto_fill=True)
    assert (
        again.config["components"]["tagger"]["model"]["tok2vec"]["elmo"]["@architectures"] == "spacy-elmo.Elmo.v1"
    )
