"""Sentences as numbers give what lists of texts give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.layers import LayerName
from spacy_elmo.elmo import Elmo
from spacy_elmo.inference.sentences import (
    EncodedSentences,
    count_rows,
    count_sentence_rows,
    count_tokens,
    find_word_types,
    split_batches,
    validate_sentences,
)
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.inference.word_table import NumberedRows, WordTable
from spacy_elmo.runtime.workers import Plan
from spacy_elmo.util.batching import windows
from tests.data import TINY
from tests.inference.cuda.models import options, weights
from tests.inference.encoding import encode

WORDS = [f"w{i}" for i in range(40)] + ["ü", "<S>", "x" * 70, " "]


def random_sentences(seed: int, *, n: int = 9, words: list[str] = WORDS) -> list[list[str]]:
    numbers = np.random.default_rng(seed)
    return [[words[i] for i in numbers.integers(0, len(words), size=size)] for size in numbers.integers(0, 7, n)]


# By itself


def test_stands_for_lists() -> None:
    sentences = random_sentences(1)
    batch = encode(sentences)
    assert [*batch] == sentences
    assert len(batch) == len(sentences)
    assert (batch[2], batch[1:4], batch[-1]) == (sentences[2], sentences[1:4], sentences[-1])
    assert validate_sentences(batch, warn=pytest.fail) is batch
    assert batch.n_rows == count_rows(batch) == count_rows(sentences) == sum(map(count_sentence_rows, sentences))
    assert count_tokens(batch).tolist() == count_tokens(sentences).tolist() == [*map(len, sentences)]


@pytest.mark.parametrize("budget", [1, 2, 5, 9, 20, 1000])
def test_windows_as_those_of_lists(budget: int) -> None:
    for seed in range(10):
        sentences = random_sentences(seed)
        expected = [*windows(sentences, size=count_sentence_rows, budget=budget)]
        assert [[*part] for part in split_batches(encode(sentences), budget)] == expected
    assert [*encode([]).split(budget)] == []


def test_word_types_of_numbers() -> None:
    texts: list[str] = []
    encode([["never", "seen"]], texts)
    for seed in range(5):
        sentences = random_sentences(seed)
        types, numbers = find_word_types(encode(sentences, texts))
        assert sorted(types) == sorted({token for sentence in sentences for token in sentence})
        assert [types[number] for number in numbers] == [token for sentence in sentences for token in sentence]
    # Boundary tokens are texts like others.
    batch = encode([["<S>", "a"], []], texts)
    assert [*find_word_types(batch, before=["<S>"], after=["</S>"])[1]] == [0, 0, 1, 2, 0, 2]


# Rows of the word table


def test_rows_are_found_while_they_hold_the_text() -> None:
    rows, texts = NumberedRows(4), ["a", "b", "c"]
    batch = encode([["a", "b", "c", "a"]], texts)
    assert rows.find(batch).tolist() == [-1] * 4
    rows.note(np.asarray([0, 1]), np.asarray([3, 0]))
    assert rows.find(batch).tolist() == [3, 0, -1, 3]
    # A row that is given to another text; and more texts.
    rows.forget(np.asarray([3]))
    rows.note(np.asarray([2]), np.asarray([3]))
    assert rows.find(encode([["a", "b", "c", "d"]], texts)).tolist() == [-1, 0, 3, -1]
    # Other texts have other numbers.
    assert rows.find(encode([["b", "a"]], ["b"])).tolist() == [-1, -1]
    assert rows.find(batch).tolist() == [-1] * 4


class Encoder:
    def __init__(self) -> None:
        self.n_types = 0

    def __call__(self, types: Any) -> torch.Tensor:
        self.n_types += len(types)
        return torch.tensor([[float(hash(text) % 1000), len(text)] for text in types]).reshape(-1, 2)


@pytest.mark.parametrize("capacity", [30, 44, 100])
def test_a_table_that_gives_rows_away(capacity: int) -> None:
    """By lists and by numbers, of several tables of texts, in turn."""
    encoder, numbers = Encoder(), np.random.default_rng(0)
    table = WordTable(encoder, width=2, capacity=capacity)
    texts: list[list[str]] = [[], []]
    for seed in range(200):
        sentences = random_sentences(seed)
        tokens = [token for sentence in sentences for token in sentence]
        which = numbers.integers(0, 4)
        if which == 3:
            types = [*dict.fromkeys(tokens)]
            assert torch.equal(table.look_up(types), Encoder()(types))
            continue
        batch = encode(sentences, texts[which % 2]) if which < 2 else None
        found = table.locate(tokens) if batch is None else table.locate_encoded(batch)
        if found is None:
            assert len(set(tokens)) > capacity
        else:
            assert torch.equal(found[0][torch.from_numpy(found[1])], Encoder()(tokens))
        assert len(table) <= capacity
    if capacity == 100:
        assert encoder.n_types == len(WORDS)


def test_a_table_that_is_too_small() -> None:
    table, texts = WordTable(Encoder(), width=2, capacity=3), WORDS[:2]
    assert table.locate_encoded(encode([WORDS[:2]], texts)) is not None
    assert table.locate_encoded(encode([WORDS[:4]], texts)) is None
    words, rows = table.locate_encoded(encode([WORDS[1:4]], texts)) or (None, None)
    assert words is not None
    assert torch.equal(words[torch.from_numpy(rows)], Encoder()(WORDS[1:4]))


# Engines


def put_cuda_engine(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> Elmo:
    """The engine for GPUs, on the CPU: it embeds words; in place of kernels, a layer shows which word is where."""

    small = options("clips")
    # Its kernels need Triton when they are imported.
    from spacy_elmo.inference.cuda.engine import CudaEngine

    engine = CudaEngine(options=small, tensors=weights(small), precision="fp32", device=torch.device("cpu"))

    def run(types: torch.Tensor, numbers: torch.Tensor, schedule: Any, start: Any, **settings: Any) -> Any:
        words = types[numbers]
        return [torch.cat([words, words], dim=1) + k for k in range(settings["n_layers"])], None

    monkeypatch.setattr(engine._stack, "run", run)
    monkeypatch.setattr(engine, "_opened", object())
    return Elmo(
        small,
        engine=engine,
        mix=elmo.mix,
        warm_state=None,
        originals=None,
        settings=elmo.settings,
        source=elmo.source,
    )


KINDS = [
    "fast",
    "fp64",
    "warm",
    *(pytest.param(kind, marks=pytest.mark.needs("triton")) for kind in ("cuda", "cuda, small table")),
]


def make(kind: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> Elmo:
    precision: PrecisionName = "fp64" if kind == "fp64" else "fp32"
    elmo = spacy_elmo.load(source, precision=precision, initial_state="warm" if kind == "warm" else "zero")
    if kind.startswith("cuda"):
        elmo = put_cuda_engine(elmo, monkeypatch)
        if "small" in kind:
            engine: Any = elmo.engine
            engine._table = WordTable(engine._encoder.encode, width=16, capacity=25)
    return elmo


def assert_close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [4, 23, 1000])
def test_the_same_numbers(kind: str, budget: int, warm_tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elmo, texts = make(kind, warm_tiny, monkeypatch), ["of", "others"]
    elmo.budget.tokens = budget
    names: list[LayerName] = ["word_emb", "lstm_outputs1", "lstm_outputs2"]
    for seed in range(6):
        sentences = random_sentences(seed, words=WORDS[seed : seed + 30])
        expected = elmo.embed(sentences, layers=names)
        resident = elmo.submit(encode(sentences, texts), layers=names, then=dict).result()
        outputs = elmo.embed(encode(sentences, texts), layers=names[:2])
        for name in names:
            flat = np.concatenate([getattr(output, name) for output in expected])
            assert_close(resident[name], flat)
            if name in names[:2]:
                assert_close(np.concatenate([getattr(output, name) for output in outputs]), flat)
        assert [len(output.word_emb) for output in outputs] == [*map(len, sentences)]
        assert [output.names for output in outputs] == [names[:2]] * len(sentences)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sentences", [[], [[]], [[], []], [["a"]], [[], ["a"], []]], ids=str)
def test_empty_sentences(
    kind: str, sentences: list[list[str]], warm_tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elmo = make(kind, warm_tiny, monkeypatch)
    resident = elmo.submit(encode(sentences), layers=["lstm_outputs1"], then=dict).result()
    outputs = elmo.embed(encode(sentences), layers=["word_emb"])
    assert [len(output.word_emb) for output in outputs] == [*map(len, sentences)]
    assert [*resident] == (["lstm_outputs1"] if any(sentences) else [])
    for output in elmo.embed(encode(sentences), layers=[]):
        assert output.names == []


def test_embed_and_stream_and_carry() -> None:
    sentences = random_sentences(3)
    for state in ("zero", "carry"):
        elmo, other = (spacy_elmo.load(TINY, initial_state=state) for _ in range(2))
        for _ in range(2):
            for one, expected in zip(elmo.embed(encode(sentences)), other.embed(sentences), strict=True):
                assert_close(one.elmo, expected.elmo)
    elmo = spacy_elmo.load(TINY)
    for one, expected in zip(elmo.stream(encode(sentences)), elmo.embed(sentences), strict=True):
        assert_close(one.elmo, expected.elmo)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_that_runs_out(kind: str, warm_tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elmo, sentences, sizes = make(kind, warm_tiny, monkeypatch), random_sentences(8, n=20), []
    expected = np.concatenate([output.lstm_outputs1 for output in elmo.embed(sentences, layers=["lstm_outputs1"])])
    whole = elmo.engine.plan

    def run_out(batch: EncodedSentences, **settings: Any) -> Plan:
        assert isinstance(batch, EncodedSentences)
        if batch.n_rows > 15:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch))
        return whole(batch, **settings)

    monkeypatch.setattr(elmo.engine, "plan", run_out)
    with pytest.warns(UserWarning, match="WL015"):
        got = elmo.submit(encode(sentences), layers=["lstm_outputs1"], then=dict).result()
    assert_close(got["lstm_outputs1"], expected)
    assert len(sizes) > 4
    with pytest.raises(MemoryError, match=r"EL166.*sentence of 52 tokens"):
        elmo.submit(encode([["a"] * 50]), layers=["lstm_outputs1"], then=dict)


@pytest.mark.needs("triton")
def test_texts_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Texts(list[str]):
        asked = 0

        def __getitem__(self, place: Any) -> Any:
            self.asked += 1
            return super().__getitem__(place)

    elmo, texts = make("cuda", TINY, monkeypatch), Texts()
    batches = [encode(random_sentences(seed, words=WORDS[:20]), texts) for seed in range(10)]
    for batch in batches:
        elmo.submit(batch, layers=["word_emb"], then=dict)
    assert texts.asked <= 20
