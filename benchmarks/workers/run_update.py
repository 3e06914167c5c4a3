"""Steps of fine-tuning: a tagger above the component, both of which learn from every batch."""

import spacy
from protocol import serve
from spacy.tokens import Doc
from spacy.training import Example
from threads import thread_setting

nlp = sgd = None


def examples(sentences):
    """Each token's tag says whether its length is even."""
    for words in sentences:
        yield Example.from_dict(Doc(nlp.vocab, words=words), {"tags": [str(len(word) % 2) for word in words]})


def describe(options):
    global nlp, sgd
    from spacy_elmo.models.architectures import build_elmo_v1

    nlp = spacy.blank("en")
    setting = thread_setting(build_elmo_v1, options.get("n_threads"))
    block = {"@architectures": "spacy-elmo.Elmo.v1", **setting}
    nlp.add_pipe("elmo_embedder", config={"source": options["model"], "frozen": False, "model": block})
    listener = {"@architectures": "spacy-elmo.ElmoListener.v1"}
    nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    nlp.initialize(lambda: examples([["a", "of"]]))
    sgd = nlp.create_optimizer()
    return {"spacy": spacy.__version__}


def update(sentences, batch_size):
    for start in range(0, len(sentences), batch_size):
        nlp.update([*examples(sentences[start : start + batch_size])], sgd=sgd)
    return []


serve(describe, update)
