"""Docs as a stream: their order, what is read ahead, and memory that runs out."""

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.inference.base import InPlace
from spacy_elmo.models import predict
from spacy_elmo.models.module import get_module
from tests.components import collect_failures, get_embedder
from tests.pipeline.conftest import Make

TEXTS = [f"text {i} has some words" + " more" * (i % 5) for i in range(23)]


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


def set_slow(nlp: Language, ahead: int) -> Slow:
    delivery = Slow(ahead)
    elmo = get_embedder(nlp).elmo
    elmo.engine.delivery = delivery
    elmo.budget.ahead = ahead
    return delivery


def embed_each(nlp: Language) -> list[Doc]:
    return [nlp(text) for text in TEXTS]


@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_same_docs_in_order(make: Make, ahead: int, batch_size: int) -> None:
    nlp = make()
    expected = embed_each(nlp)
    set_slow(nlp, ahead)
    got = list(nlp.pipe(TEXTS, batch_size=batch_size))
    assert [doc.text for doc in got] == TEXTS
    for one, other in zip(got, expected):
        np.testing.assert_allclose(one.tensor, other.tensor, atol=2e-5)
        np.testing.assert_array_equal(one.tensor, one._.elmo.elmo)
        assert one._.elmo.names == other._.elmo.names


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_docs_are_read_ahead(make: Make, ahead: int) -> None:
    nlp = make()
    set_slow(nlp, ahead)
    read: list[int] = []

    def docs() -> Iterator[Doc]:
        for i in range(20):
            read.append(i)
            yield nlp.make_doc(TEXTS[i])

    results = get_embedder(nlp).pipe(docs(), batch_size=3)
    assert read == []
    next(results)
    assert len(read) == 3 * (1 + ahead)
    assert len([*results]) == 19


def test_carried_state_runs_nothing_ahead(make: Make) -> None:
    nlp = make(model={"initial_state": "carry"})
    expected = [doc.tensor for doc in make(model={"initial_state": "carry"}).pipe(TEXTS, batch_size=4)]
    set_slow(nlp, 2)
    read: list[int] = []

    def docs() -> Iterator[Doc]:
        for i, text in enumerate(TEXTS):
            read.append(i)
            yield nlp.make_doc(text)

    results = get_embedder(nlp).pipe(docs(), batch_size=4)
    first = next(results)
    assert len(read) == 4
    for doc, tensor in zip([first, *results], expected):
        np.testing.assert_array_equal(doc.tensor, tensor)


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_bad_docs_and_those_beside_them(make: Make, ahead: int) -> None:
    nlp = make()
    set_slow(nlp, ahead)
    map_tokens = get_module(get_embedder(nlp).model).map_tokens
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
    failures = collect_failures(nlp)
    assert [doc.text for doc in nlp.pipe(texts, batch_size=2)] == ["a", "b", "c", "d", "e", "f", "g"]
    assert [text for text, _ in failures] == ["bad one", "bad two"]


def test_error_of_the_stream(make: Make) -> None:
    nlp = make()
    set_slow(nlp, 2)

    def docs() -> Iterator[Doc]:
        yield from map(nlp.make_doc, TEXTS[:4])
        raise KeyError("the stream")

    results = get_embedder(nlp).pipe(docs(), batch_size=2)
    assert [doc.text for doc in (next(results) for _ in range(4))] == TEXTS[:4]
    with pytest.raises(KeyError, match="the stream"):
        next(results)


def test_stopped_early(make: Make) -> None:
    nlp = make()
    set_slow(nlp, 2)
    results = nlp.pipe(TEXTS, batch_size=2)
    next(results)
    assert isinstance(results, Generator)
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
def test_layers_that_stay_on_the_device(
    make: Make, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], sent: list[str]
) -> None:
    """As on a GPU that Thinc uses: doc.tensor does not pass the CPU."""
    expected = make(**config)
    monkeypatch.setattr(predict, "stays_on_device", lambda ops, device: True)
    nlp = make(**config)
    delivery = set_slow(nlp, 1)
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


def limit_tokens(nlp: Language, monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let the engine run no more tokens than `most`. RETURNS: the sizes it was asked for."""
    engine = get_embedder(nlp).elmo.engine
    original = engine.plan
    sizes: list[int] = []

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
    expected = embed_each(nlp)
    set_slow(nlp, ahead)
    sizes = limit_tokens(nlp, monkeypatch, 25)
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


def test_doc_that_does_not_fit(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make()
    limit_tokens(nlp, monkeypatch, 10)
    failures = collect_failures(nlp)
    with pytest.warns(UserWarning, match="WL015"):
        got = [doc.text for doc in nlp.pipe(["a b", "a " * 50, "c d"])]
    assert got == ["a b", "c d"]
    assert len(failures) == 1
    assert isinstance(failures[0][1], MemoryError)


def test_memory_runs_out_beside_the_engine(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make()
    expected = embed_each(nlp)
    delivery = set_slow(nlp, 1)
    original = delivery.send
    calls: list[int] = []

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
    workers = get_embedder(nlp).elmo.engine.workers
    start = workers.start
    counts: list[int] = []

    def count(plan: Any) -> Any:
        counts.append(len(plan.parts))
        return start(plan)

    monkeypatch.setattr(workers, "start", count)
    doc = nlp.make_doc("a b c d e f g h i j k l m n")
    for i, token in enumerate(doc):
        token.is_sent_start = i % 7 == 0
    get_embedder(nlp)(doc)
    assert doc.tensor.shape[0] == 14
    # Two directions of one batch; without the bound, there would be four parts.
    assert max(counts) == 2
