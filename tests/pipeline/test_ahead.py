import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.inference.base import InPlace
from spacy_elmo.models import predict
from spacy_elmo.models.module import get_module
from tests.pipeline.conftest import Make

SIZES = st.lists(st.integers(0, 20))
BUDGET = st.integers(1, 30)

TEXTS = [f"text {i} has some words" + " more" * (i % 5) for i in range(23)]


# The component


class Slow(InPlace):
    """sent: names of the layers of each batch."""

    def __init__(self, ahead: int):
        self.ahead = ahead
        self.sent: list[list[str]] = []

    def send(
        self, layers: Mapping[str, torch.Tensor], lengths: Sequence[int], *, n_layers: int
    ) -> Callable[[], list[LayerOutputs]]:
        if layers:
            self.sent.append([*layers])
        return super().send(layers, lengths, n_layers=n_layers)


def slow(nlp: Language, ahead: int) -> Slow:
    delivery = Slow(ahead)
    nlp.get_pipe("elmo_embedder").elmo.engine.delivery = delivery
    nlp.get_pipe("elmo_embedder").elmo.budget.ahead = ahead
    return delivery


def by_itself(nlp: Language) -> list[Doc]:
    return [nlp(text) for text in TEXTS]


@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_same_docs_in_order(make: Make, ahead: int, batch_size: int) -> None:
    nlp = make()
    expected = by_itself(nlp)
    slow(nlp, ahead)
    got = list(nlp.pipe(TEXTS, batch_size=batch_size))
    assert [doc.text for doc in got] == TEXTS
    for one, other in zip(got, expected):
        np.testing.assert_allclose(one.tensor, other.tensor, atol=2e-5)
        np.testing.assert_array_equal(one.tensor, one._.elmo.elmo)
        assert one._.elmo.names == other._.elmo.names


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_docs_are_read_while_others_are_under_way(make: Make, ahead: int) -> None:
    nlp = make()
    slow(nlp, ahead)
    read: list[int] = []

    def docs() -> Iterator[Doc]:
        for i in range(20):
            read.append(i)
            yield nlp.make_doc(TEXTS[i])

    results = nlp.get_pipe("elmo_embedder").pipe(docs(), batch_size=3)
    assert read == []
    next(results)
    assert len(read) == 3 * (1 + ahead)
    assert len([*results]) == 19


def test_carried_state_runs_nothing_ahead(make: Make) -> None:
    nlp = make(model={"initial_state": "carry"})
    expected = [doc.tensor for doc in make(model={"initial_state": "carry"}).pipe(TEXTS, batch_size=4)]
    slow(nlp, 2)
    read: list[int] = []
    docs = (read.append(i) or nlp.make_doc(text) for i, text in enumerate(TEXTS))  # type: ignore[func-returns-value]
    results = nlp.get_pipe("elmo_embedder").pipe(docs, batch_size=4)
    first = next(results)
    assert len(read) == 4
    for doc, tensor in zip([first, *results], expected):
        np.testing.assert_array_equal(doc.tensor, tensor)


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_bad_docs_and_those_beside_them(make: Make, ahead: int) -> None:
    nlp = make()
    slow(nlp, ahead)
    map_tokens = get_module(nlp.get_pipe("elmo_embedder").model).map_tokens
    original = map_tokens.get_spans

    def fail_on_bad(docs: Sequence[Doc]) -> Any:
        if any("bad" in doc.text for doc in docs):
            raise ValueError("a bad doc")
        return original(docs)

    map_tokens.get_spans = fail_on_bad
    texts = ["a", "b", "c", "bad one", "d", "e", "f", "bad two", "g"]
    results = nlp.pipe(texts, batch_size=2)
    assert [next(results).text for _ in range(3)] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="a bad doc"):
        next(results)
    events: list[str] = []
    nlp.set_error_handler(lambda name, proc, docs, error: events.extend(f"failed: {doc.text}" for doc in docs))
    events += [doc.text for doc in nlp.pipe(texts, batch_size=2)]
    assert [event for event in events if "failed" not in event] == ["a", "b", "c", "d", "e", "f", "g"]
    assert [event for event in events if "failed" in event] == ["failed: bad one", "failed: bad two"]


def test_an_error_of_the_stream_comes_after_its_docs(make: Make) -> None:
    nlp = make()
    slow(nlp, 2)

    def docs() -> Iterator[Doc]:
        yield from map(nlp.make_doc, TEXTS[:4])
        raise KeyError("the stream")

    results = nlp.get_pipe("elmo_embedder").pipe(docs(), batch_size=2)
    assert [doc.text for doc in (next(results) for _ in range(4))] == TEXTS[:4]
    with pytest.raises(KeyError, match="the stream"):
        next(results)


def test_who_stops_early_leaves_nothing_behind(make: Make) -> None:
    nlp = make()
    slow(nlp, 2)
    results = nlp.pipe(TEXTS, batch_size=2)
    next(results)
    results.close()
    assert [doc.text for doc in nlp.pipe(TEXTS[:3])] == TEXTS[:3]


# What is brought to the CPU


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        ({}, ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]),
        ({"layers": []}, []),
        ({"layers": ["word_emb"]}, ["word_emb"]),
        ({"layers": ["elmo"], "layers_on_gpu": True}, []),
        ({"layers": ["elmo"], "set_tensor": False}, ["elmo"]),
        ({"layers": ["elmo"], "pooling_layer": "lstm_outputs2"}, ["elmo"]),
    ],
)
def test_layers_that_nobody_keeps_there_stay(
    make: Make, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], sent: list[str]
) -> None:
    """As on a GPU that Thinc uses: doc.tensor does not pass the CPU."""
    expected = make(**config)
    monkeypatch.setattr(predict, "stays_on_device", lambda ops, device: True)
    nlp = make(**config)
    delivery = slow(nlp, 1)
    texts = [*TEXTS[:3], "", "with \n space"]
    for doc, other in zip(nlp.pipe(texts), expected.pipe(texts)):
        np.testing.assert_array_equal(doc.tensor, other.tensor)
        assert doc._.elmo.names == other._.elmo.names
        for (_, one), (_, two) in zip(doc._.elmo.items(), other._.elmo.items()):
            np.testing.assert_array_equal(one, two)
    assert delivery.sent == ([sent] if sent else [])


def test_a_kept_doc_keeps_no_other(make: Make) -> None:
    for doc in make().pipe(TEXTS):
        assert doc.tensor.base is None
        assert all(array.base is None for _, array in doc._.elmo.items())


# Memory that runs out


def out_of_memory(nlp: Language, monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let the engine run no more than so many tokens. RETURNS: the sizes it was asked for."""
    engine = nlp.get_pipe("elmo_embedder").elmo.engine
    original, sizes = engine.plan, []

    def run(sentences: Sequence[Sequence[str]], **kwargs: Any) -> Any:
        sizes.append(sum(map(len, sentences)))
        if sizes[-1] > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate a lot")
        return original(sentences, **kwargs)

    monkeypatch.setattr(engine, "plan", run)
    return sizes


@pytest.mark.parametrize("ahead", [0, 2])
def test_batches_are_halved_with_one_warning(make: Make, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    nlp = make(model={"max_batch_tokens": 200})
    expected = by_itself(nlp)
    slow(nlp, ahead)
    sizes = out_of_memory(nlp, monkeypatch, 25)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = list(nlp.pipe(TEXTS * 3))
    assert [str(warning.message)[:7] for warning in caught] == ["[WL015]"]
    for one, other in zip(got, expected * 3):
        np.testing.assert_allclose(one.tensor, other.tensor, atol=2e-5)
        np.testing.assert_array_equal(one._.elmo.elmo, one.tensor)
    sizes.clear()
    # It has learnt how much fits.
    assert len([*nlp.pipe(TEXTS)]) == len(TEXTS)
    assert max(sizes) <= 25


def test_error_handler_gets_docs_too_large(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make()
    out_of_memory(nlp, monkeypatch, 10)
    failed: list[str] = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.append(type(error).__name__))
    with pytest.warns(UserWarning, match="WL015"):
        got = [doc.text for doc in nlp.pipe(["a b", "a " * 50, "c d"])]
    assert got == ["a b", "c d"]
    assert failed == ["ElmoMemoryError"]


def test_memory_that_runs_out_beside_the_engine(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make()
    expected = by_itself(nlp)
    delivery = slow(nlp, 1)
    original, calls = delivery.send, []

    def send(layers: Mapping[str, torch.Tensor], lengths: Sequence[int], *, n_layers: int) -> Any:
        if layers and not calls:
            calls.append(1)
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(layers, lengths, n_layers=n_layers)

    monkeypatch.setattr(delivery, "send", send)
    for one, other in zip(nlp.pipe(TEXTS), expected):
        np.testing.assert_allclose(one.tensor, other.tensor, atol=2e-5)
    assert calls == [1]


def test_docs_of_more_than_a_batch(make: Make) -> None:
    whole = make()
    parts = make(model={"max_batch_tokens": 7})
    for nlp in (whole, parts):
        nlp.add_pipe("sentencizer", first=True)
    text = "One sentence of some words. " * 20 + " \n And a last one"
    for one, other in zip(whole.pipe([text, "a"]), parts.pipe([text, "a"])):
        np.testing.assert_allclose(one.tensor, other.tensor, atol=2e-5)
        assert one._.elmo.names == other._.elmo.names
        np.testing.assert_allclose(one._.elmo.word_emb, other._.elmo.word_emb, atol=2e-5)


def test_a_long_doc_keeps_the_bound(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number bounds all that is under way: of a Doc with sentences for two batches, one runs at a time."""
    nlp = make(model={"max_batch_tokens": 12, "n_threads": 2})
    elmo, most = nlp.get_pipe("elmo_embedder").elmo, []
    start = elmo.engine.workers.start
    monkeypatch.setattr(elmo.engine.workers, "start", lambda plan: most.append(len(plan.parts)) or start(plan))
    doc = nlp.make_doc("a b c d e f g h i j k l m n")
    for i, token in enumerate(doc):
        token.is_sent_start = i % 7 == 0
    nlp.get_pipe("elmo_embedder")(doc)
    assert doc.tensor.shape[0] == 14
    # Two directions of one batch; without the bound, there would be four parts.
    assert max(most) == 2
