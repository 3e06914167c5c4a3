"""A spaCy pipeline over raw text: this package's component, or the tok2vec of spaCy's own recipe."""

import spacy
from protocol import serve
from spacy.cli.init_config import init_config
from spacy.training import Example
from threads import thread_setting

nlp = None


def elmo(options):
    from spacy_elmo.models.architectures import build_elmo_v1

    nlp = spacy.blank("en")
    setting = thread_setting(build_elmo_v1, options.get("n_threads"))
    config = {"source": options["model"], "model": {"@architectures": "spacy-elmo.Elmo.v1", **setting}}
    if "layers" in options:
        config["layers"] = options["layers"]
    nlp.add_pipe("elmo_embedder", config=config)
    return nlp


def tok2vec(options):
    """As `spacy init config --optimize efficiency` writes it; with random weights, which cost what trained ones
    cost."""
    recipe = init_config(lang="en", pipeline=["tagger"], optimize="efficiency").interpolate()
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": recipe["components"]["tok2vec"]["model"]})
    nlp.initialize(lambda: [Example.from_dict(nlp.make_doc("A text ."), {})])
    return nlp


def describe(options):
    global nlp
    nlp = {"elmo": elmo, "tok2vec": tok2vec}[options["pipeline"]](options)
    nlp("Its first text .")
    return {"spacy": spacy.__version__}


def embed(sentences, batch_size):
    """One at a time by `nlp`, more by `nlp.pipe`, in the batches of its default."""
    texts = [" ".join(sentence) for sentence in sentences]
    docs = map(nlp, texts) if batch_size == 1 else nlp.pipe(texts)
    return [doc.tensor for doc in docs]


serve(describe, embed)
