"""The component in a pipeline."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Config

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.models.module import get_module
from tests.components import collect_failures, get_embedder, update
from tests.data import read_case
from tests.pipeline.conftest import Make

LAYERS = ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]
TEXTS = ["I love NLP .", "", "One", "Many words of one text , all in a row", " \n ", "One"]


def test_config_round_trip() -> None:
    """The config is the same after it was written and read."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder")
    text = nlp.config.to_str()
    assert Config().from_str(text, interpolate=False).to_str() == text
    again = spacy.util.load_model_from_config(Config().from_str(text, interpolate=False))
    assert again.config.to_str() == text


def test_without_weights_nothing_runs() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": "original"})
    for run in (lambda: nlp("text"), lambda: list(nlp.pipe(["text"])), nlp.initialize, lambda: nlp("")):
        with pytest.raises(FileNotFoundError, match=r"EL143.*'original' is not in the cache.*SPACY_ELMO_OFFLINE"):
            run()
    assert list(nlp.pipe([])) == []


@pytest.mark.parametrize("layer", LAYERS)
def test_four_pooling_layers(make: Make, elmo: Elmo, layer: str) -> None:
    doc = make(pooling_layer=layer)("I love NLP")
    expected = elmo.embed([["I", "love", "NLP"]])[0]
    np.testing.assert_array_equal(doc.tensor, getattr(expected, layer))
    np.testing.assert_array_equal(doc[1].tensor, getattr(expected, layer)[1])
    assert doc.tensor.shape == (3, elmo.width(layer))


@pytest.mark.parametrize(
    ("pooling_layer", "kept"),
    [("word_emb", LAYERS[:1]), ("lstm_outputs1", LAYERS[:2]), ("lstm_outputs2", LAYERS[:3]), ("elmo", LAYERS)],
)
def test_computed_layers_are_kept(make: Make, pooling_layer: str, kept: list[str]) -> None:
    assert make(pooling_layer=pooling_layer)("a b")._.elmo.names == kept


def test_chosen_layers_are_kept(make: Make) -> None:
    doc = make(pooling_layer="word_emb", layers=["lstm_outputs2", "elmo"])("a b")
    assert doc._.elmo.names == ["lstm_outputs2", "elmo"]
    assert doc.tensor.shape == (2, 8)
    doc = make(layers=[])("a b")
    assert doc._.elmo.names == []
    assert doc.tensor.shape == (2, 16)


def test_only_what_is_asked_for_is_computed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make(pooling_layer="word_emb")
    embedder = get_embedder(nlp)
    depths: list[int] = []
    engine = embedder.elmo.engine
    original = engine.plan

    def plan(sentences: Any, **arguments: Any) -> Any:
        depths.append(arguments["n_layers"])
        return original(sentences, **arguments)

    monkeypatch.setattr(engine, "plan", plan)
    nlp("a b")
    assert depths == [0]


@pytest.mark.parametrize("text", TEXTS)
def test_arrays(nlp: Language, text: str) -> None:
    """Shapes and dtypes of what is on a Doc."""
    doc = nlp(text)
    for array in [doc.tensor, *(array for _, array in doc._.elmo.items())]:
        assert array.shape[0] == len(doc)
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert array.flags.c_contiguous
        assert array.base is None


def test_empty_docs(nlp: Language) -> None:
    """A Doc without tokens has arrays without rows."""
    assert nlp("").tensor.shape == (0, 16)
    assert [doc.tensor.shape for doc in nlp.pipe(["", "a", ""])] == [(0, 16), (1, 16), (0, 16)]
    assert [doc._.elmo.word_emb.shape for doc in nlp.pipe(["", ""])] == [(0, 8), (0, 8)]
    assert list(nlp.pipe([])) == []


def test_whitespace(nlp: Language) -> None:
    """Tokens of whitespace have zeros, and change no other token."""
    doc = nlp("I  love\n\nNLP ")
    spaces = [token.is_space for token in doc]
    assert sum(spaces) == 2
    assert not doc.tensor[spaces].any()
    expected = nlp("I love NLP")
    np.testing.assert_allclose(doc.tensor[~np.array(spaces)], expected.tensor, atol=1e-6)


def test_long_tokens_and_docs(make: Make) -> None:
    """Bytes beyond the 48th of a token change nothing: the models' own rule."""
    spans = {"get_spans": {"@misc": "spacy-elmo.doc_spans.v1"}}
    nlp = make(pooling_layer="lstm_outputs1", model=spans)
    long = Doc(nlp.vocab, words=["x" * 5000, "y"])
    cut = Doc(nlp.vocab, words=["x" * 48, "y"])
    np.testing.assert_array_equal(nlp(long).tensor, nlp(cut).tensor)
    doc = nlp(Doc(nlp.vocab, words=[f"w{i % 977}" for i in range(50_000)]))
    assert doc.tensor.shape == (50_000, 16)
    assert np.isfinite(doc.tensor).all()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 1000])
def test_order_is_kept_and_no_doc_lost(nlp: Language, batch_size: int) -> None:
    """Docs come out in the order in which they went in."""
    texts = [" ".join(f"w{i}" for i in range(n % 9)) for n in range(50)]
    docs = list(nlp.pipe(texts, batch_size=batch_size))
    assert [doc.text for doc in docs] == texts
    for doc in docs:
        np.testing.assert_allclose(doc.tensor, nlp(doc.text).tensor, atol=2e-5)


def test_input_is_read_lazily(make: Make) -> None:
    """Docs are taken as they are needed, by tokens and by number."""
    nlp = make(model={"max_batch_tokens": 10})
    read: list[int] = []

    def docs() -> Iterator[Doc]:
        for i in range(1000):
            read.append(i)
            yield Doc(nlp.vocab, words=["a", "b", "c", "d"])

    stream = get_embedder(nlp).pipe(docs(), batch_size=500)
    assert read == []
    next(stream)
    assert len(read) <= 11
    stream = get_embedder(nlp).pipe(docs(), batch_size=2)
    read.clear()
    next(stream)
    assert len(read) == 2


def test_same_in_every_batch_and_every_time(nlp: Language) -> None:
    """A Doc has the same vectors alone, among others and after others."""
    text = "The same sentence , always ."
    alone = nlp(text)
    np.testing.assert_array_equal(nlp(text).tensor, alone.tensor)
    others = [f"Some other text number {i} ." for i in range(100)]
    among = list(nlp.pipe([*others[:50], text, *others[50:]]))[50]
    np.testing.assert_allclose(among.tensor, alone.tensor, atol=2e-5)
    list(nlp.pipe(others * 10))
    np.testing.assert_array_equal(nlp(text).tensor, alone.tensor)


def test_equal_to_allennlp(parity: Path) -> None:
    """The three layers through a pipeline; the mix is checked where it is made."""
    case = read_case(parity / "bilm" / "base")
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(parity / "bilm" / "base")})
    checked = 0
    for words, expected in zip(case.sentences, case.expected):
        doc = nlp(Doc(nlp.vocab, words=words))
        if not any(token.is_space for token in doc):
            assert np.abs(doc._.elmo.stack()[0] - expected[0]).max() <= 1e-5
            assert np.abs(doc._.elmo.stack() - expected).max() <= 1e-4
            checked += 1
    assert checked == 29


def test_sentences_are_embedded_one_by_one(make: Make, elmo: Elmo) -> None:
    nlp = make()
    nlp.add_pipe("sentencizer", first=True)
    doc = nlp("I love NLP. You too? Yes!")
    sentences = [[token.text for token in sent] for sent in doc.sents]
    assert len(sentences) == 3
    expected = np.concatenate([output.elmo for output in elmo.embed(sentences)])
    np.testing.assert_allclose(doc.tensor, expected, atol=1e-6)
    whole = make(model={"get_spans": {"@misc": "spacy-elmo.doc_spans.v1"}})
    whole.add_pipe("sentencizer", first=True)
    assert np.abs(whole(doc.text).tensor - doc.tensor).max() > 0.01


def test_carry_in_a_pipeline(make: Make, tiny: Path) -> None:
    nlp = make(model={"initial_state": "carry"})
    elmo = spacy_elmo.load(tiny, initial_state="carry")
    batches = [["a b", "c d e", "f"], ["g", "a b"]]
    got = list(nlp.pipe([text for batch in batches for text in batch], batch_size=3))
    expected = [output for batch in batches for output in elmo.embed([text.split() for text in batch])]
    for doc, output in zip(got, expected):
        np.testing.assert_array_equal(doc.tensor, output.elmo)


# Configuration


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"pooling_layer": "top"}, r"EL030.*Unknown pooling_layer 'top'. Allowed: word_emb"),
        ({"layers": "elmo"}, r"EL039.*got 'elmo'"),
        ({"layers": ["elmo", "mean"]}, r"EL030.*Unknown layer 'mean'"),
        ({"learn_rate_factor": -1}, r"EL098.*learn_rate_factor"),
        ({"warmup_steps": -1}, r"EL098.*warmup_steps"),
        ({"dropout": 1.0}, r"EL098.*dropout"),
        ({"trainable": ["("]}, r"EL099.*trainable"),
        ({"vectors": True, "set_tensor": False, "layers": ["word_emb"]}, r"EL051.*'elmo'"),
        ({"set_tensor": False, "layers": []}, r"EL058.*'elmo_embedder' would store nothing on a Doc"),
        ({"model": {"precision": "int4"}}, r"EL030.*Unknown precision 'int4'"),
        ({"model": {"initial_state": "cold"}}, r"EL030.*Unknown initial_state 'cold'"),
        ({"model": {"max_batch_tokens": 0}}, r"EL038.*max_batch_tokens"),
        ({"model": {"n_threads": 0}}, r"EL038.*n_threads"),
        ({"cache": {}}, r"EL267.*spacy-elmo.layer_cache.v1.*got \{\}"),
        ({"cache": {"folder": "layers"}}, r"EL267.*got \{'folder': 'layers'\}"),
    ],
)
def test_unknown_values_in_the_config(config: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        spacy.blank("en").add_pipe("elmo_embedder", config=config)


@pytest.mark.parametrize(
    "config", [{"pooling": "elmo"}, {"model": {"@architectures": "spacy-elmo.Elmo.v1", "x": 1}}]
)
def test_unknown_settings(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unexpected argument: '(pooling|x)'"):
        spacy.blank("en").add_pipe("elmo_embedder", config=config)


def test_layer_3_of_a_2_layer_model(make: Make) -> None:
    for config in ({"pooling_layer": "lstm_outputs3"}, {"layers": ["lstm_outputs3"]}):
        nlp = make(**config)
        for run in (nlp.initialize, lambda nlp=nlp: nlp("text"), lambda nlp=nlp: list(nlp.pipe(["text"]))):
            with pytest.raises(ValueError, match=r"EL031.*'lstm_outputs3' does not exist: this model has 2"):
                run()


def test_source_as_a_pair(tiny: Path, make: Make) -> None:
    nlp = make(source=[str(tiny / "options.json"), str(tiny / "weights.hdf5")])
    assert nlp("a b").tensor.shape == (2, 16)
    assert (
        Config().from_str(nlp.config.to_str())["components"]["elmo_embedder"]["source"][0].endswith("options.json")
    )


# Initialising and training


def test_initialize_reads_the_weights_once(make: Make) -> None:
    """A second `initialize`, and prediction, keep the model of the first."""
    nlp = make()
    embedder = get_embedder(nlp)
    assert not get_module(embedder.model).has_weights
    nlp.initialize()
    first = embedder.elmo
    nlp.initialize()
    nlp("text")
    assert embedder.elmo is first


def test_initialize_with_a_source(make: Make, tiny: Path) -> None:
    """A path that matters only before training, in the config's [initialize]."""
    nlp = make(source="nowhere")
    nlp.config["initialize"]["components"]["elmo_embedder"] = {"source": str(tiny)}
    nlp.initialize()
    assert nlp("a b").tensor.shape == (2, 16)
    nlp.config["initialize"]["components"]["elmo_embedder"] = {"source": "elsewhere"}
    with pytest.raises(FileNotFoundError, match="EL010"):
        nlp.initialize()
    nlp.config["initialize"]["components"]["elmo_embedder"] = {"loader": 3}
    with pytest.raises(Exception, match="loader"):
        nlp.initialize()


def test_frozen_training_changes_nothing(make: Make) -> None:
    nlp = make()
    examples = [Example.from_dict(nlp.make_doc(text), {}) for text in ("a b c", "", "d")]
    optimizer = nlp.initialize(lambda: examples)
    embedder = get_embedder(nlp)
    before = embedder.model.to_bytes()
    for sgd in (optimizer, False, None):
        losses = update(nlp, examples, sgd=sgd, losses={})
        assert losses == {"elmo_embedder": 0.0}
    nlp.update(examples, sgd=optimizer, annotates=["elmo_embedder"])
    embedder.finish_update(optimizer)
    with nlp.use_params(optimizer.averages):
        pass
    assert embedder.model.to_bytes() == before
    assert embedder.update(examples, losses={"other": 1.0}) == {"other": 1.0, "elmo_embedder": 0.0}
    assert nlp.evaluate(examples)["token_acc"] == 1.0


def test_update_refuses_what_are_no_examples(nlp: Language) -> None:
    with pytest.raises(TypeError):
        get_embedder(nlp).update([nlp.make_doc("a")])  # type: ignore[list-item]


def test_beside_a_trained_component(make: Make) -> None:
    nlp = make()
    textcat: Any = nlp.add_pipe("textcat")
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": {"yes": float(yes), "no": float(not yes)}})
        for text, yes in [("good day", True), ("bad day", False)]
    ]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(3):
        losses = nlp.update(examples, sgd=optimizer, annotates=["elmo_embedder"])
    assert set(losses) == {"elmo_embedder", "textcat"}
    assert nlp("good day").cats.keys() == set(textcat.labels)


# Errors


def test_one_bad_doc(make: Make) -> None:
    """The error handler gets the Doc at fault, and the others get through."""
    nlp = make()
    module = get_module(get_embedder(nlp).model)
    original = module.map_tokens.get_spans

    def fail_on_bad(docs: Sequence[Doc]) -> Any:
        if any("bad" in doc.text for doc in docs):
            raise ValueError("a bad doc")
        return original(docs)

    module.map_tokens.get_spans = fail_on_bad
    with pytest.raises(ValueError, match="a bad doc"):
        list(nlp.pipe(["a", "bad", "c"]))
    failures = collect_failures(nlp)
    assert [doc.text for doc in nlp.pipe(["a", "b", "bad one", "c", "d"], batch_size=4)] == ["a", "b", "c", "d"]
    assert [text for text, _ in failures] == ["bad one"]


@pytest.mark.parametrize("config", [{"source": "nowhere"}, {"layers": ["lstm_outputs3"]}])
def test_config_errors_pass_the_error_handler(make: Make, config: dict[str, Any]) -> None:
    """Whoever skips bad Docs must not end up with none, and no message."""
    nlp = make(**config)
    collect_failures(nlp)
    with pytest.raises((FileNotFoundError, ValueError), match=r"EL010|EL031"):
        list(nlp.pipe(["a", "b"]))


def test_no_key_error_leaves_the_component(make: Make) -> None:
    """spaCy takes a KeyError for a component that was not initialised (E109)."""
    with pytest.raises(FileNotFoundError, match="EL010"):
        make(source="no-such-model")("text")


# Other things that users do with pipelines


def test_selecting_and_renaming(make: Make) -> None:
    """Pipes that are disabled, selected or renamed."""
    nlp = make()
    nlp.add_pipe("sentencizer", first=True)
    with nlp.select_pipes(enable=["sentencizer"]):
        assert nlp("a b").tensor.size == 0
    assert nlp("a b").tensor.shape == (2, 16)
    nlp.disable_pipe("elmo_embedder")
    assert nlp("a b").tensor.size == 0
    nlp.enable_pipe("elmo_embedder")
    nlp.rename_pipe("elmo_embedder", "embedder")
    assert nlp("a b").tensor.shape == (2, 16)


def test_sourcing_from_another_pipeline(make: Make) -> None:
    """An embedder from another pipeline."""
    source = make()
    expected = source("a b").tensor
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", source=source)
    np.testing.assert_array_equal(nlp("a b").tensor, expected)


def test_docs_do_not_share_what_they_keep(nlp: Language) -> None:
    one, two = nlp.pipe(["a b", "a b"])
    one.tensor[:] = 0
    one._.elmo.word_emb[:] = 0
    assert two.tensor.any()
    assert two._.elmo.word_emb.any()


def test_analysis_knows_what_is_assigned(nlp: Language) -> None:
    analysis = nlp.analyze_pipes()
    assert analysis is not None
    assigns = analysis["summary"]["elmo_embedder"]["assigns"]
    assert set(assigns) == {
        "doc._.elmo",
        "span._.elmo",
        "token._.elmo",
        "doc.tensor",
    }


def test_repr(make: Make, tiny: Path) -> None:
    embedder = get_embedder(make(pooling_layer="word_emb"))
    shown = f"ElmoEmbedder(name='elmo_embedder', source={str(tiny)!r}, pooling_layer='word_emb', frozen=True, "
    assert repr(embedder) == f"{shown}has_weights=False)"
    embedder(Doc(embedder.vocab, words=["a"]))
    assert repr(embedder) == f"{shown}has_weights=True)"
    secret = get_embedder(make(source="https://user:s3cret@models.example/elmo.zip?token=t0ken"))
    assert "source='https://models.example/elmo.zip?...'" in repr(secret)


def test_outputs_of_other_docs(nlp: Language) -> None:
    embedder = get_embedder(nlp)
    docs = [Doc(nlp.vocab, words=words) for words in (["a"], ["b", "c"])]
    output = embedder.predict(docs)
    for others in ([], docs[:1], [*docs, *docs]):
        with pytest.raises(ValueError, match=rf"EL247.*outputs of 2 Docs, but {len(others)} Docs"):
            embedder.set_annotations(others, output)
    assert [doc._.elmo for doc in docs] == [None, None]
    with pytest.raises(ValueError, match="EL247"):
        embedder.set_annotations(docs, embedder.predict([]))


@pytest.mark.parametrize("layers", [None, 3, {"elmo"}, [["elmo"]]])
def test_wrong_layers_after_use(make: Make, layers: Any) -> None:
    nlp = make()
    nlp("a")
    get_embedder(nlp).layers = layers
    with pytest.raises(ValueError, match=r"EL0(39|30)") as caught:
        nlp("a")
    assert caught.value.__context__ is None
