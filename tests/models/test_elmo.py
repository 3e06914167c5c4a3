from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from thinc.api import NumpyOps

from spacy_elmo.elmo import Elmo, Settings
from spacy_elmo.models.architectures import build_elmo_v1
from spacy_elmo.models.module import ElmoModelT, get_module
from spacy_elmo.models.output import ElmoOutput
from spacy_elmo.models.predict import Request, submit_docs
from spacy_elmo.models.tokens import SpanGetter, TokenMapper, doc_spans, sent_spans
from spacy_elmo.weights.source import read_weights

VOCAB = spacy.blank("en").vocab


@pytest.fixture
def model(tiny: Path) -> ElmoModelT:
    made = build_elmo_v1("fp32", "zero", 4096, sent_spans)
    get_module(made).set_weights(read_weights(tiny), device=torch.device("cpu"))
    return made


def docs_of(*sentences: list[str]) -> list[Doc]:
    return [Doc(VOCAB, words=words) for words in sentences]


def embed_docs(elmo: Elmo, docs: list[Doc], get_spans: SpanGetter, layers: list[str]) -> ElmoOutput:
    return submit_docs(elmo, TokenMapper(get_spans)(docs), Request(layers=layers), NumpyOps()).result()


def test_predict(model: ElmoModelT, elmo: Elmo) -> None:
    outputs = model.predict(docs_of(["a", "b"], [], ["c"])).docs
    expected = elmo.embed([["a", "b"], [], ["c"]])
    for output, one in zip(outputs, expected):
        assert output.names == one.names == ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]
        np.testing.assert_array_equal(output.elmo, one.elmo)
        assert output.elmo.base is None


def test_begin_update_gives_nothing_back(model: ElmoModelT) -> None:
    outputs, backprop = model.begin_update(docs_of(["a"]))
    assert backprop(outputs) == []


def test_whitespace_is_hidden_from_the_bilm(elmo: Elmo) -> None:
    docs = docs_of(["a", "\n\n", "b", " "], ["\t"])
    outputs = embed_docs(elmo, docs, doc_spans, ["elmo"]).docs
    np.testing.assert_allclose(outputs[0].elmo[[0, 2]], elmo.embed([["a", "b"]])[0].elmo, atol=1e-6)
    assert not outputs[0].elmo[[1, 3]].any()
    assert not outputs[1].elmo.any()


def test_tokens_outside_the_spans(elmo: Elmo) -> None:
    docs = docs_of(["a", "b", "c", "d"])

    def inner(docs: list[Doc]) -> list[list[Span]]:
        return [[doc[1:3]] for doc in docs]

    output = embed_docs(elmo, docs, inner, ["elmo"]).docs[0].elmo
    np.testing.assert_allclose(output[1:3], elmo.embed([["b", "c"]])[0].elmo, atol=1e-6)
    assert not output[[0, 3]].any()


def test_spans_as_iterators(elmo: Elmo) -> None:
    docs = docs_of(["a", "b"], ["c"])
    lazy = embed_docs(elmo, docs, lambda docs: (iter([doc[:]]) for doc in docs), ["elmo"]).docs  # type: ignore
    for one, two in zip(lazy, embed_docs(elmo, docs, doc_spans, ["elmo"]).docs):
        np.testing.assert_array_equal(one.elmo, two.elmo)


def test_spans_that_overlap(elmo: Elmo) -> None:
    with pytest.raises(ValueError, match=r"EL054.*overlap at token 1 of a Doc \('b'\)"):
        embed_docs(elmo, docs_of(["a", "b", "c"]), lambda docs: [[docs[0][:2], docs[0][1:]]], ["elmo"])


def test_spans_for_too_few_docs(elmo: Elmo) -> None:
    with pytest.raises(ValueError, match=r"EL056.*returned 0 lists of spans for 1 Docs"):
        embed_docs(elmo, docs_of(["a"]), lambda docs: [], ["elmo"])


def test_bytes(model: ElmoModelT) -> None:
    fresh = build_elmo_v1("fp32", "zero", 4096, sent_spans)
    fresh.from_bytes(model.to_bytes())
    docs = docs_of(["a", "b"])
    np.testing.assert_array_equal(fresh.predict(docs).docs[0].elmo, model.predict(docs).docs[0].elmo)


def test_bytes_without_weights() -> None:
    made = build_elmo_v1("fp32", "zero", 4096, sent_spans)
    data = made.to_bytes()
    assert len(data) < 1000
    fresh = build_elmo_v1("fp32", "zero", 4096, sent_spans).from_bytes(data)
    assert not get_module(fresh).has_weights


def test_settings_are_not_saved(model: ElmoModelT) -> None:
    fresh = build_elmo_v1("fp64", "zero", 17, sent_spans).from_bytes(model.to_bytes())
    assert get_module(fresh).settings == Settings(precision="fp64", initial_state="zero", max_batch_tokens=17)


def test_a_copy_stands_alone(model: ElmoModelT) -> None:
    copy = model.copy()
    docs = docs_of(["a", "b"])
    expected = model.predict(docs).docs[0].elmo
    with torch.no_grad():
        for parameter in get_module(model).parameters():
            parameter.zero_()
    np.testing.assert_array_equal(copy.predict(docs).docs[0].elmo, expected)
    assert not model.predict(docs).docs[0].elmo.any()


@pytest.mark.parametrize(("precision", "expected"), [("fp32", {"mix"}), ("fp64", {"bilm", "mix"})])
def test_the_shim_sees_the_parameters(tiny: Path, precision: str, expected: set[str]) -> None:
    """Those that are modules' still: the engine has laid out the biLM's anew."""
    model = build_elmo_v1(precision, "zero", 4096, sent_spans)
    get_module(model).set_weights(read_weights(tiny), device=torch.device("cpu"))
    for one in (model, model.copy()):
        assert {name.split(".")[0] for name, _ in get_module(one).named_parameters()} == expected


def test_without_weights() -> None:
    with pytest.raises(ValueError, match=r"EL057.*no weights, and no source"):
        build_elmo_v1("fp32", "zero", 4096, sent_spans).predict(docs_of(["a"]))


def test_bad_settings() -> None:
    with pytest.raises(ValueError, match="EL030"):
        build_elmo_v1("fp31", "zero", 4096, sent_spans)
