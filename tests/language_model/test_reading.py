from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.language_model import likelihood, reading
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.likelihood import iter_carried, iter_fresh
from spacy_elmo.language_model.model import LanguageModel
from spacy_elmo.language_model.reading import iter_batches, restore_order, run_batch, run_halves, run_sentences
from spacy_elmo.language_model.softmax import Softmax
from spacy_elmo.language_model.streams import Batch
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.language_model.word_types import EncodedTypes, encode_types
from spacy_elmo.runtime.threads import own_threads
from tests.at_work import at_work
from tests.language_models import Reference, full_softmax, load_language_model, write_source
from tests.pretraining.tiny import lm_bilm, lm_ids, lm_options, lm_randomise, lm_sentences, lm_types

Steps = list[list[tuple[str, str]]]


def as_bilm_tf_reads(sentences: list[list[str]], n_rows: int) -> Steps:
    """Make steps of (input, target) of each row. A row takes the next sentence at the end of the one before; if
    there is none, the step is left out."""
    upcoming = iter(sentences)
    rows: list[list[str]] = [[] for _ in range(n_rows)]
    steps: Steps = []
    while True:
        for row in rows:
            if len(row) <= 1:
                sentence = next(upcoming, None)
                if sentence is None:
                    return steps
                row[:] = sentence
        steps.append([(row[0], row[1]) for row in rows])
        for row in rows:
            del row[0]


def marked(sentence: list[str], *, backward: bool) -> list[str]:
    text = ["<S>", *sentence, "</S>"]
    return text[::-1] if backward else text


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rows_as_in_bilm_tf(monkeypatch: pytest.MonkeyPatch, n_rows: int, seed: int) -> None:
    monkeypatch.setattr(reading, "_STEPS", 4)
    monkeypatch.setattr(reading, "_PREDICTIONS", 10)
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 9, 20)
    lengths[seed] = 25
    sentences = [[f"{k}-{i}" for i in range(length)] for k, length in enumerate(lengths)]
    corpus = Corpus.from_sentences(sentences)
    texts = [*corpus.types, "<S>", "</S>"]
    batches = list(iter_batches(corpus, n_rows=n_rows, n_sentences=len(corpus)))
    assert max(len(batch.inputs) for _, batch in batches) <= max(4, 10 // n_rows)
    assert len(batches) > 1 or n_rows == 20
    for direction in (0, 1):
        got = [
            [(texts[one], texts[next_]) for one, next_ in zip(inputs, targets)]
            for _, batch in batches
            for inputs, targets in zip(batch.inputs[:, direction], batch.targets[:, direction])
        ]
        assert got == as_bilm_tf_reads([marked(one, backward=direction == 1) for one in sentences], n_rows)


def test_more_rows_than_sentences() -> None:
    corpus = Corpus.from_sentences([["a", "b"], ["c"], ["d"]])
    [(begun, batch)] = iter_batches(corpus, n_rows=9, n_sentences=2)
    assert begun == [(0, 0), (1, 1)]
    assert batch.inputs.shape == (2, 2, 2)
    assert list(iter_batches(corpus, n_rows=9, n_sentences=0)) == []


def test_top_layer_and_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sentences: list[list[str]]) -> None:
    """Groups and steps of any size give what the formulas give."""
    softmax = full_softmax()
    model, vocabulary = load_language_model(write_source(tmp_path, softmax))
    corpus = Corpus.from_sentences([*sentences[:3], [], ["word"]])
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    reference = Reference(softmax)
    texts = [[corpus.types[place] for place in corpus.sentence(k)] for k in range(len(corpus))]
    for steps, group, window in ((32, 2048, 30000), (5, 60, 100), (1, 1, 1)):
        monkeypatch.setattr(reading, "_STEPS", steps)
        monkeypatch.setattr(reading, "_PREDICTIONS", steps)
        monkeypatch.setattr(reading, "_GROUP", group)
        monkeypatch.setattr(reading, "_WINDOW", window)
        seen: list[int] = []
        for numbers, read in run_sentences(model, corpus, types, state=None):
            assert len(numbers) == read.hidden.shape[2]
            assert len(numbers) == 1 or len(numbers) * read.hidden.shape[1] <= group
            seen += numbers
            for row, number in enumerate(numbers):
                tokens = texts[number]
                for direction, words in enumerate([["<S>", *tokens], ["</S>", *tokens[::-1]]]):
                    expected = reference.hidden(words, direction, {})
                    got = read.hidden[direction, : len(words), row].numpy()
                    np.testing.assert_allclose(got, expected, atol=1e-5, rtol=0)
        assert sorted(seen) == list(range(len(corpus)))


def test_top_layer_without_dropout(tmp_path: Path) -> None:
    model, vocabulary = load_language_model(write_source(tmp_path, full_softmax()))
    corpus = Corpus.from_sentences([["a", "cow"]])
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    [(_, batch)] = iter_batches(corpus, n_rows=1, n_sentences=1)
    expected, _ = run_batch(model, batch, types, model.bilm.zero_state(1))
    model.dropout, model.dtype = 0.5, torch.bfloat16
    model.train()
    got, _ = run_batch(model, batch, types, model.bilm.zero_state(1))
    assert torch.equal(got.hidden, expected.hidden)
    assert not got.hidden.requires_grad
    a, unknown, opening, closing = (vocabulary.words.index(word) for word in ("a", "<UNK>", "<S>", "</S>"))
    assert got.targets.tolist() == [[[a], [unknown], [closing]], [[unknown], [a], [opening]]]
    assert model.training
    assert model.dtype == torch.bfloat16


def test_restore_order() -> None:
    taken: list[int] = []

    def numbered() -> Iterator[tuple[int, str]]:
        for number in (2, 0, 1, 4, 3):
            taken.append(number)
            yield number, str(number)

    found = restore_order(numbered())
    assert next(found) == "0"
    assert taken == [2, 0]
    assert list(found) == ["1", "2", "3", "4"]


def test_batches_are_read_lazily(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sentences: list[list[str]]
) -> None:
    """Results are not kept, and little is computed ahead: memory does not grow with the text."""
    for name, value in (("_STEPS", 10), ("_PREDICTIONS", 10), ("_GROUP", 10), ("_WINDOW", 70)):
        monkeypatch.setattr(reading, name, value)
    run: list[int] = []

    def counting(model: LanguageModel, batch: Batch, types: EncodedTypes, state: LSTMState) -> Any:
        run.append(batch.inputs.shape[0] * batch.inputs.shape[2])
        return run_batch(model, batch, types, state)

    monkeypatch.setattr(likelihood, "run_batch", counting)
    monkeypatch.setattr(reading, "run_batch", counting)
    model, vocabulary = load_language_model(write_source(tmp_path, full_softmax()))
    corpus = Corpus.from_sentences(sentences)
    types = encode_types(corpus.types, model.bilm.options, vocabulary)
    # The longest sentence comes on top.
    most = max(map(len, sentences)) + 1
    for found, ahead in ((iter_carried(model, corpus, types), 10), (iter_fresh(model, corpus, types), 70 + most)):
        run.clear()
        handed_out = 0
        for one in found:
            handed_out += len(one.forward)
            assert sum(run) - handed_out < ahead
        assert handed_out == corpus.n_tokens + len(corpus) <= sum(run)


MODELS: dict[str, dict[str, Any]] = {
    "two-layers": {},
    "three-layers": {"n_layers": 3},
    "no-projection": {"dim": 4},
    "no-clips": {"cell_clip": None, "proj_clip": None},
}
models = pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)


def make(settings: dict[str, Any], *, dtype: torch.dtype = torch.float64) -> tuple[LanguageModel, Tensor, Tensor]:
    """Make a model, word types, and 6 steps of 3 rows."""
    softmax: Any = nn.Identity()
    model = LanguageModel(bilm=lm_bilm(lm_options(**settings), dtype=dtype), softmax=softmax, dtype=dtype)
    ids = lm_ids(model.bilm.options, ["<S>", "</S>", "a", "dog", "sees", "extraordinary-bird"])
    inputs = torch.randint(0, len(ids), (6, 2, 3), generator=torch.Generator().manual_seed(4))
    return model.eval(), ids, inputs


@models
def test_equal_to_the_model(settings: dict[str, Any]) -> None:
    model, ids, inputs = make(settings)
    generator = torch.Generator().manual_seed(5)
    zeros = model.bilm.zero_state(3)
    start = LSTMState(*(torch.randn(part.shape, dtype=part.dtype, generator=generator) / 3 for part in zeros))
    with torch.no_grad():
        expected, final = model(ids, inputs, start)
        got, state = run_halves(model, ids, inputs, start)
    for one, other in zip((got, *state), (expected, *final), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_one_word() -> None:
    model, ids, inputs = make({})
    with torch.no_grad():
        expected, _ = model(ids[:1], inputs * 0, model.bilm.zero_state(3))
        got, _ = run_halves(model, ids[:1], inputs * 0, model.bilm.zero_state(3))
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("n_threads", "each"), [(2, 1), (4, 2)])
@pytest.mark.parametrize("name", ["encode", "_run_stack"])
def test_parts_run_side_by_side(name: str, n_threads: int, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids, inputs = make({})
    found = at_work(monkeypatch, reading, name)
    with own_threads(n_threads):
        run_halves(model, ids, inputs, model.bilm.zero_state(3))
    assert found == [each] * 2


@pytest.mark.parametrize("n_rows", [1, 4])
def test_number_of_threads(n_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are equal, bit for bit, and both directions' softmaxes run side by side."""
    sentences = lm_sentences(12)
    vocabulary = Vocabulary(["the", "<UNK>", "<S>", ".", "dog", "</S>", "sees", "a", "old"])
    softmax = Softmax(n_words=len(vocabulary), width=4)
    lm_randomise(softmax, seed=5)
    model = LanguageModel(bilm=lm_bilm(lm_options(), dtype=torch.float32), softmax=softmax)
    corpus = Corpus.from_sentences(sentences)
    types = lm_types(model.bilm.options, corpus, vocabulary)
    with own_threads(1):
        expected = list(iter_carried(model, corpus, types, n_rows=n_rows))
    at_work(monkeypatch, Softmax, "log_likelihood")
    with own_threads(2):
        got = list(iter_carried(model, corpus, types, n_rows=n_rows))
    for one, other in zip(got, expected, strict=True):
        assert one.forward.tobytes() == other.forward.tobytes()
        assert one.backward.tobytes() == other.backward.tobytes()
