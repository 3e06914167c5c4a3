"""Listeners: what they read, from whom, and what they say when there is nothing to read."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.ty import ListenedToComponent

from spacy_elmo.models.listener import get_pooling, get_upstream
from spacy_elmo.models.module import get_module
from spacy_elmo.models.pooling import get_pooling_settings
from tests.components import get_array, get_embedder, get_listener, get_trainable, set_array, update
from tests.data import TINY
from tests.mix.golden import read_golden
from tests.pipeline.training import (
    LISTENER,
    TEXTS,
    examples,
    initialize,
    pipeline,
    tags,
    train,
    train_like_spacy,
)

TEXT = "I like green eggs"


def test_two_mixes_as_allennlp_has_them() -> None:
    """`num_output_representations=2`: outputs, and gradients of the mixes, within 1e-5."""
    golden = read_golden()
    nlp = pipeline("tagger", "ner", source=TINY, listener={**LISTENER, "l2": 0.0})
    embedder = get_embedder(nlp)
    docs = [Doc(nlp.vocab, words=words) for words in golden.sentences]
    listeners = [get_listener(nlp, name) for name in ("tagger", "ner")]
    for listener in listeners:
        listener.initialize()
    gold = [spacy.training.Example(doc, Doc(nlp.vocab, words=[t.text for t in doc])) for doc in docs]
    embedder.update(gold)
    for k, listener in enumerate(listeners):
        mix = get_pooling(listener)
        set_array(mix, "weights", golden.weights[k])
        set_array(mix, "gamma", golden.gamma[k : k + 1])
        outputs, backprop = listener.begin_update(docs)
        np.testing.assert_allclose(np.concatenate(outputs), golden.out[k], atol=1e-5)
        backprop([array.astype("f") for array in golden.per_sentence(golden.upstream[k])])
        np.testing.assert_allclose(np.asarray(mix.get_grad("weights")), golden.d_weights[k], atol=1e-5)
        np.testing.assert_allclose(np.asarray(mix.get_grad("gamma")), golden.d_gamma[k : k + 1], atol=1e-5)


def test_gradients_of_allennlp() -> None:
    golden = read_golden("float64")
    nlp = pipeline("tagger", "ner", frozen=False, listener={**LISTENER, "l2": 0.0})
    embedder = get_embedder(nlp)
    docs = [Doc(nlp.vocab, words=words) for words in golden.sentences]
    embedder.update([spacy.training.Example(doc, Doc(nlp.vocab, words=[t.text for t in doc])) for doc in docs])
    for k, name in enumerate(("tagger", "ner")):
        listener = get_listener(nlp, name)
        listener.initialize()
        set_array(get_pooling(listener), "weights", golden.weights[k])
        set_array(get_pooling(listener), "gamma", golden.gamma[k : k + 1])
        _, backprop = listener.begin_update(docs)
        backprop([array.astype("f") for array in golden.per_sentence(golden.upstream[k])])
    embedder._updates.apply_pending()
    trained = get_module(embedder.model).trained_parameters()
    found = {name: p.grad for name, p, _ in trained if p.grad is not None}
    assert found.keys() == {f"bilm.{name}" for name in golden.d_bilm}
    for name, expected in golden.d_bilm.items():
        np.testing.assert_allclose(found[f"bilm.{name}"], expected, atol=2e-4, rtol=1e-4, err_msg=name)


def test_the_protocol_of_spacy() -> None:
    nlp = pipeline("tagger")
    embedder = get_embedder(nlp)
    assert isinstance(embedder, ListenedToComponent)
    assert embedder.listening_components == ["tagger"]
    listener = get_listener(nlp)
    assert embedder.listeners == [listener]
    assert embedder.remove_listener(listener, "tagger")
    assert not embedder.remove_listener(listener, "tagger")
    assert embedder.listening_components == []
    embedder.find_listeners(get_trainable(nlp))
    embedder.find_listeners(get_trainable(nlp))
    assert embedder.listeners == [listener]


@pytest.mark.parametrize(
    ("pooling_layer", "width"),
    [(None, 16), ("word_emb", 8), ("lstm_outputs1", 16), ("lstm_outputs2", 16), ("elmo", 16)],
)
def test_each_way_to_read(pooling_layer: Any, width: int) -> None:
    nlp = pipeline("tagger", listener={**LISTENER, "pooling_layer": pooling_layer}, pooling_layer="word_emb")
    sgd = initialize(nlp)
    train(nlp, sgd, steps=2)
    listener = get_listener(nlp)
    assert listener.get_dim("nO") == width
    doc = nlp(TEXT)
    # What the pooling layer alone would not have computed is there for the listener.
    assert set(get_pooling_settings(get_pooling(listener)).names(2)) <= set(doc._.elmo.names)
    assert listener.predict([doc])[0].shape == (4, width)


def test_prediction_reads_the_doc(tmp_path: Path) -> None:
    nlp = pipeline("tagger", layers=[])
    train(nlp, initialize(nlp), steps=30)
    doc = nlp(TEXT)
    mix = get_pooling(get_listener(nlp))
    stack = doc._.elmo.stack()
    shares = np.exp(get_array(mix, "weights"))
    shares /= shares.sum()
    expected = float(get_array(mix, "gamma")[0]) * np.tensordot(shares, stack, 1)
    np.testing.assert_allclose(get_listener(nlp).predict([doc])[0], expected, atol=1e-5)
    # Also from a Doc that was stored.
    other = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    np.testing.assert_allclose(get_listener(nlp).predict([other])[0], expected, atol=1e-5)


def test_the_bilm_runs_once_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = pipeline("tagger", "ner", "parser")
    sgd = initialize(nlp)
    embedder = get_embedder(nlp)
    calls: list[int] = []
    plan = type(embedder.elmo.engine).plan

    def count(self: Any, sentences: Any, **kwargs: Any) -> Any:
        calls.append(len(sentences))
        return plan(self, sentences, **kwargs)

    monkeypatch.setattr(type(embedder.elmo.engine), "plan", count)
    nlp.update(examples(nlp), sgd=sgd)
    assert len(calls) == 1
    # Nor again where it annotates as well, which a frozen biLM would do with the same layers.
    nlp.update(examples(nlp), sgd=sgd, annotates=["elmo_embedder"])
    assert len(calls) == 2


@pytest.mark.parametrize("frozen", [True, False])
def test_training_without_the_embedder(frozen: bool) -> None:
    """What is frozen gives its layers all the same; what should learn cannot."""
    nlp = pipeline("tagger", frozen=frozen)
    sgd = initialize(nlp)

    def learn() -> None:
        if frozen:
            before = get_array(get_pooling(get_listener(nlp)), "weights").copy()
            for _ in range(2):  # at first, the tagger's own layer is of zeros
                nlp.update(examples(nlp), sgd=sgd, exclude=["elmo_embedder"])
            assert not np.array_equal(before, get_array(get_pooling(get_listener(nlp)), "weights"))
        else:
            with pytest.raises(ValueError, match=r"EL182.*nlp.update"):
                nlp.update(examples(nlp), sgd=sgd, exclude=["elmo_embedder"])

    learn()
    nlp.update(examples(nlp), sgd=sgd, exclude=["elmo_embedder"], annotates=["elmo_embedder"])
    nlp.update(examples(nlp), sgd=sgd)
    # An earlier batch does not pass for this one.
    learn()


def test_training_without_an_embedder() -> None:
    nlp = pipeline("tagger")
    sgd = initialize(nlp)
    nlp.remove_pipe("elmo_embedder")
    message = r"EL100.*upstream = '\*'.*annotating_components.*relink"
    with pytest.raises(ValueError, match=message):
        nlp.update(examples(nlp), sgd=sgd)


def test_prediction_without_layers() -> None:
    nlp = pipeline("tagger")
    train(nlp, initialize(nlp), steps=2)
    with nlp.select_pipes(disable=["elmo_embedder"]):
        with pytest.warns(UserWarning, match=r"WL003.*disabled"):
            nlp(TEXT)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            nlp(TEXT)
            nlp("")
    assert nlp(TEXT)._.elmo is not None


def test_initialisation_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nlp = pipeline("tagger", "ner", "textcat")
        initialize(nlp)


@pytest.mark.parametrize("upstream", ["elmo_embedder", "*"])
def test_rename(upstream: str) -> None:
    nlp = pipeline("tagger", listener={**LISTENER, "upstream": upstream})
    sgd = initialize(nlp)
    nlp.rename_pipe("elmo_embedder", "layers")
    if upstream == "*":
        train(nlp, sgd, steps=2)
        nlp(TEXT)
    else:
        with pytest.raises(ValueError, match=r"EL100.*upstream = 'elmo_embedder'.*if it was renamed"):
            train(nlp, sgd, steps=2)


def test_a_wrong_upstream_is_named() -> None:
    nlp = pipeline("tagger", listener={**LISTENER, "upstream": "tok2vec"})
    with pytest.raises(ValueError, match=r"EL103.*'tok2vec'.*`upstream`.*`width`"):
        initialize(nlp)


def test_a_wrong_width_is_named() -> None:
    nlp = pipeline("tagger", listener={**LISTENER, "width": 96})
    with pytest.raises(ValueError, match=r"EL101.*width 96.*'elmo_embedder' is 16"):
        initialize(nlp)


def test_the_nearest_of_two_embedders() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", name="far", config={"source": str(TINY), "set_tensor": False})
    nlp.add_pipe("elmo_embedder", name="near", config={"source": str(TINY), "set_tensor": False})
    nlp.add_pipe("tagger", config={"model": {"tok2vec": LISTENER}})
    nlp.add_pipe("ner", config={"model": {"tok2vec": {**LISTENER, "upstream": "far"}}})
    assert get_embedder(nlp, "far").listeners == [get_listener(nlp, "ner")]
    assert get_embedder(nlp, "near").listeners == [get_listener(nlp)]
    train(nlp, initialize(nlp), steps=2)


def test_disabled_and_enabled_again(tmp_path: Path) -> None:
    nlp = pipeline("tagger", pooling_layer="word_emb")
    sgd = initialize(nlp)
    train_like_spacy(nlp, sgd, steps=20)
    expected = tags(nlp)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path, disable=["tagger"])
    loaded(TEXT)
    loaded.enable_pipe("tagger")
    assert tags(loaded) == expected
    train(loaded, loaded.resume_training(), steps=2)


def test_layers_that_were_not_kept(tmp_path: Path) -> None:
    nlp = pipeline("tagger")
    train(nlp, initialize(nlp), steps=2)
    other = spacy.blank("en")
    other.add_pipe("elmo_embedder", config={"source": str(TINY), "layers": ["word_emb"]})
    doc = other(TEXT)
    # The embedder that has run the Doc knows nothing of the tagger, and runs it again.
    assert [token.tag_ for token in get_trainable(nlp)(doc)] == [token.tag_ for token in nlp(TEXT)]
    fresh = spacy.blank("en")
    fresh.add_pipe("elmo_embedder", config={"source": str(TINY), "layers": ["word_emb"]})
    stored = Doc(nlp.vocab).from_bytes(fresh(TEXT).to_bytes())
    with pytest.raises(ValueError, match=r"EL102.*lstm_outputs1, lstm_outputs2.*It has word_emb"):
        get_trainable(nlp)(stored)


def test_docs_cut_out_of_others() -> None:
    """As the entity linker makes them: without layers, but with their part of doc.tensor."""
    nlp = pipeline("tagger")
    train(nlp, initialize(nlp), steps=2)
    doc = nlp("I like it . You eat ham")
    part = doc[4:7].as_doc()
    assert part._.elmo is None
    found = get_listener(nlp).predict([part])[0]
    np.testing.assert_allclose(found, get_listener(nlp).predict([nlp("You eat ham")])[0], atol=1e-5)


def test_docs_with_the_layers_of_others() -> None:
    nlp = pipeline("tagger")
    sgd = initialize(nlp)
    train(nlp, sgd, steps=2)
    listener = get_listener(nlp)
    doc = nlp("I like it")
    other = Doc(nlp.vocab, words=["You", "eat", "ham"], user_data=doc.user_data)
    with pytest.raises(ValueError, match=r"EL053.*row 0 is of 'I', but token 0 is 'You'"):
        listener.predict([other])
    with pytest.raises(ValueError, match="EL053"):
        listener.predict([nlp("I like it"), other])
    # In training, neither the batch nor the Doc passes for the other.
    gold = examples(nlp)
    get_embedder(nlp).update(gold)
    batch = get_upstream(listener).batch
    seen = gold[0].predicted
    replaced = Doc(nlp.vocab, words=["I", "like", "blue", "eggs"], user_data=seen.user_data)
    assert batch is not None
    assert len(replaced) == len(seen)
    assert batch.find([seen]) is not None
    assert batch.find([replaced]) is None
    found, _ = listener.begin_update([replaced])
    np.testing.assert_allclose(found[0], listener.predict([nlp("I like blue eggs")])[0], atol=1e-5)


def test_docs_that_got_sentences() -> None:
    """The embedder runs them once more: their layers are others."""
    nlp = pipeline("tagger")
    nlp.update(examples(nlp), sgd=initialize(nlp))
    gold = examples(nlp)
    embedder = get_embedder(nlp)
    embedder.update(gold)
    doc = gold[0].predicted
    doc[2].is_sent_start = True
    expected = Doc(nlp.vocab, words=[token.text for token in doc], sent_starts=[True, False, True, False])
    np.testing.assert_allclose(embedder(doc).tensor, embedder(expected).tensor, atol=1e-6)


def test_foreign_extension() -> None:
    nlp = pipeline("tagger")
    train(nlp, initialize(nlp), steps=2)
    listener = get_listener(nlp)
    doc = nlp(TEXT)
    expected = listener.predict([doc])[0]
    original = Doc.get_extension("elmo")
    try:
        Doc.set_extension("elmo", default="mine", force=True)
        np.testing.assert_array_equal(listener.predict([doc])[0], expected)
    finally:
        Doc.set_extension("elmo", getter=original[2], setter=original[3], force=True)


def test_state_does_not_travel() -> None:
    nlp = pipeline("tagger")
    sgd = initialize(nlp)
    update(nlp, examples(nlp), sgd=False)
    listener = get_listener(nlp)
    assert get_upstream(listener).batch is not None
    for copied in (pickle.loads(pickle.dumps(listener)), listener.copy()):
        assert get_upstream(copied).batch is None
        assert get_upstream(copied).name == "*"
    assert len(pickle.dumps(listener)) < 20_000
    get_embedder(nlp).finish_update(sgd)


def test_a_saved_component_follows_the_config(tmp_path: Path) -> None:
    nlp = pipeline("tagger", listener={**LISTENER, "dropout": 0.5})
    train(nlp, initialize(nlp), steps=2)
    nlp.to_disk(tmp_path)
    config = tmp_path / "config.cfg"
    config.write_text(config.read_text().replace("dropout = 0.5", "dropout = 0.25"))
    assert get_pooling_settings(get_pooling(get_listener(spacy.load(tmp_path)))).dropout == 0.25


def test_empty_docs_everywhere() -> None:
    nlp = pipeline("tagger", "ner", "parser", "textcat")
    sgd = initialize(nlp)
    nothing = [spacy.training.Example.from_dict(nlp.make_doc(""), {})]
    nlp.update(nothing, sgd=sgd)
    nlp.update(examples(nlp), sgd=sgd)
    assert [len(doc) for doc in nlp.pipe(["", TEXTS[0][0], ""])] == [0, 4, 0]
