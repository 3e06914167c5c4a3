"""Compare with a loop over single steps in float64, by the rules of bilm-tf, with the plain modules of `bilm`."""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.language_model import reading
from spacy_elmo.language_model import softmax as softmax_module
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.likelihood import Perplexity, SentenceLikelihood, iter_carried, iter_fresh
from spacy_elmo.language_model.model import LanguageModel
from spacy_elmo.language_model.softmax import AdaptiveSoftmax, Softmax
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.language_model.word_types import EncodedTypes
from tests.pretraining.tiny import lm_bilm, lm_ids, lm_options, lm_randomise, lm_sentences, lm_types


def carried_likelihood(*args: Any, **kwargs: Any) -> list[Any]:
    return list(iter_carried(*args, **kwargs))


def fresh_likelihood(*args: Any, **kwargs: Any) -> list[Any]:
    return list(iter_fresh(*args, **kwargs))


Pair = tuple[np.ndarray, np.ndarray]


class Case(NamedTuple):
    model: LanguageModel
    corpus: Corpus
    types: EncodedTypes
    vocabulary: Vocabulary
    sentences: list[list[str]]


def make(sentences: Sequence[Sequence[str]], *, softmax: str = "full", n_layers: int = 2) -> Case:
    vocabulary = Vocabulary(["the", "<UNK>", "<S>", ".", "dog", "</S>", "sees", "a", "old"])
    options = lm_options(n_layers=n_layers)
    module: nn.Module
    if softmax == "full":
        module = Softmax(n_words=len(vocabulary), width=4)
    else:
        module = AdaptiveSoftmax(n_words=len(vocabulary), width=4, cutoffs=[3, 6], div_value=2.0)
    lm_randomise(module, seed=5)
    model = LanguageModel(bilm=lm_bilm(options, dtype=torch.float32, seed=2), softmax=module, dropout=0.5)
    corpus = Corpus.from_sentences(sentences)
    return Case(model, corpus, lm_types(options, corpus, vocabulary), vocabulary, [list(one) for one in sentences])


@pytest.fixture
def case() -> Case:
    return make([["dog"], *lm_sentences(11, seed=4), ["a"] * 17, ["<UNK>", "the"], ["sees"]])


class Loop:
    """One row, one direction, one step at a time."""

    def __init__(self, case: Case, *, backward: bool, state: LSTMState | None = None):
        self.bilm: BiLM = copy.deepcopy(case.model.bilm).double().eval()
        self.softmax = copy.deepcopy(case.model.softmax).double()
        self.case, self.backward = case, backward
        self.state = self.bilm.zero_state(1)
        if state is not None:
            self.state = LSTMState(*(part.double().unsqueeze(2) for part in state))

    @torch.no_grad()
    def step(self, word: str, target: str) -> float:
        """Read a word, and return the log-probability of the target."""
        embedded = self.bilm.char_encoder(lm_ids(self.bilm.options, [word]))
        output = self.bilm(embedded, [1], state=self.state)
        self.state = output.state
        top = output.layers[-1][:, 4:] if self.backward else output.layers[-1][:, :4]
        return float(self.log_probabilities(top)[self.case.vocabulary.ids([target])[0]])

    def log_probabilities(self, top: Tensor) -> np.ndarray:
        if isinstance(self.softmax, AdaptiveSoftmax):
            return self.softmax.log_likelihoods(top)[0].numpy()
        assert isinstance(self.softmax, Softmax)
        scores = (top @ self.softmax.weight.T + self.softmax.bias)[0].numpy()
        return scores - math.log(np.exp(scores).sum())


def texts(sentence: Sequence[str]) -> tuple[list[str], list[str]]:
    """Make the words that are read, forward and backward."""
    whole = ["<S>", *sentence, "</S>"]
    return whole, whole[::-1]


def slow_carried(case: Case, n_rows: int) -> list[Pair]:
    """Read as bilm-tf's test with steps of one token: rows at the end of their sentence take the next one in turn.
    The first row that finds no sentence ends the text, before the step is made in any row."""
    results = [tuple(np.full(len(one) + 1, np.nan) for _ in "fb") for one in case.sentences]
    loops = [[Loop(case, backward=backward) for backward in (False, True)] for _ in range(n_rows)]
    waiting = list(range(len(case.sentences)))
    rows: list[tuple[int, int] | None] = [None] * n_rows
    while True:
        for row in range(n_rows):
            place = rows[row]
            if place is None or place[1] == len(case.sentences[place[0]]) + 1:
                if not waiting:
                    return [(forward, backward[::-1]) for forward, backward in results]
                rows[row] = waiting.pop(0), 0
        for row in range(n_rows):
            place = rows[row]
            assert place is not None
            number, at = place
            for direction, text in enumerate(texts(case.sentences[number])):
                results[number][direction][at] = loops[row][direction].step(text[at], text[at + 1])
            rows[row] = number, at + 1


def slow_fresh(case: Case, state: LSTMState | None = None) -> list[Pair]:
    results = []
    for sentence in case.sentences:
        values = []
        for backward, text in zip((False, True), texts(sentence)):
            loop = Loop(case, backward=backward, state=state)
            values.append([loop.step(*pair) for pair in pairwise(text)])
        results.append((np.array(values[0]), np.array(values[1][::-1])))
    return results


def assert_close(got: Sequence[SentenceLikelihood], expected: Sequence[Pair]) -> None:
    assert len(got) == len(expected)
    for one, (forward, backward) in zip(got, expected):
        np.testing.assert_allclose(one.forward, forward, atol=2e-5)
        np.testing.assert_allclose(one.backward, backward, atol=2e-5)
        assert one.forward.dtype == one.backward.dtype == np.float32


@pytest.mark.parametrize("n_rows", [1, 3, 14])
def test_carried(case: Case, monkeypatch: pytest.MonkeyPatch, n_rows: int) -> None:
    """Any number of steps may run together."""
    expected = slow_carried(case, n_rows)
    for steps in (1, 4, 1000):
        monkeypatch.setattr(reading, "_STEPS", steps)
        monkeypatch.setattr(reading, "_PREDICTIONS", steps)
        assert_close(carried_likelihood(case.model, case.corpus, case.types, n_rows=n_rows), expected)


def test_missing_predictions() -> None:
    """Two rows: the first reads three tokens and finds no other sentence, so that the second stops after four
    steps, within its sentence."""
    case = make([["a", "dog", "sees"], ["the"], ["old", "dog", "sees", "a", "dog"]])
    found = carried_likelihood(case.model, case.corpus, case.types, n_rows=2)
    assert [np.isnan(one.forward).tolist() for one in found] == [
        [False] * 4,
        [False] * 2,
        # "old dog" from the front, "dog a" from the back.
        [False, False, True, True, True, True],
    ]
    assert np.isnan(found[2].backward).tolist() == [True, True, True, True, False, False]
    assert_close(found, slow_carried(case, 2))
    perplexity = Perplexity.from_likelihoods(found)
    assert perplexity.n_predictions == 8
    forward = [value for one in found for value in one.forward if not math.isnan(value)]
    assert perplexity.forward == pytest.approx(math.exp(-sum(forward) / 8))


def test_one_row_predicts_everything(case: Case) -> None:
    found = carried_likelihood(case.model, case.corpus, case.types)
    assert not any(np.isnan(one.forward).any() or np.isnan(one.backward).any() for one in found)
    # The state is carried: all but the first sentence differ from what they are alone.
    fresh = fresh_likelihood(case.model, case.corpus, case.types)
    same = [np.allclose(one.forward, other.forward, atol=1e-4) for one, other in zip(found, fresh)]
    assert same == [True] + [False] * (len(same) - 1)


def test_more_rows_than_sentences(case: Case) -> None:
    first = make(case.sentences[:5])
    many = carried_likelihood(first.model, first.corpus, first.types, n_rows=100)
    assert_close(many, slow_carried(first, 5))


@pytest.mark.parametrize("with_state", [False, True])
def test_fresh(case: Case, monkeypatch: pytest.MonkeyPatch, with_state: bool) -> None:
    state = None
    if with_state:
        generator = torch.Generator().manual_seed(3)
        state = LSTMState(
            0.5 * torch.randn(2, 2, 4, generator=generator), 0.5 * torch.randn(2, 2, 5, generator=generator)
        )
    expected = slow_fresh(case, state)
    assert_close(fresh_likelihood(case.model, case.corpus, case.types, state=state), expected)
    # However many sentences run together.
    for name, value in (("_GROUP", 7), ("_WINDOW", 40), ("_STEPS", 3), ("_PREDICTIONS", 3)):
        monkeypatch.setattr(reading, name, value)
    monkeypatch.setattr(softmax_module, "_SCORES", 20)
    assert_close(fresh_likelihood(case.model, case.corpus, case.types, state=state), expected)


@pytest.mark.parametrize(("softmax", "n_layers"), [("adaptive", 2), ("full", 1)])
def test_other_models(softmax: str, n_layers: int) -> None:
    case = make(lm_sentences(5, seed=1), softmax=softmax, n_layers=n_layers)
    assert_close(fresh_likelihood(case.model, case.corpus, case.types), slow_fresh(case))
    assert_close(carried_likelihood(case.model, case.corpus, case.types, n_rows=2), slow_carried(case, 2))


@pytest.mark.parametrize("n", [0, 1, 4])
def test_the_first_sentences(case: Case, n: int) -> None:
    first = make(case.sentences[:n])
    carried = slow_carried(first, min(3, n)) if n else []
    assert_close(carried_likelihood(case.model, case.corpus, case.types, n_rows=3, n_sentences=n), carried)


def test_empty_sentence() -> None:
    case = make([["a"], [], ["dog", "sees"]])
    assert_close(fresh_likelihood(case.model, case.corpus, case.types), slow_fresh(case))
    assert_close(carried_likelihood(case.model, case.corpus, case.types), slow_carried(case, 1))


def test_model_unchanged(case: Case) -> None:
    """Dropout and the training's precision have no effect, and stay as they are."""
    expected = fresh_likelihood(case.model, case.corpus, case.types)
    before = {name: tensor.clone() for name, tensor in case.model.state_dict().items()}
    for training in (True, False):
        case.model.train(training)
        case.model.dtype = torch.bfloat16
        found = fresh_likelihood(case.model, case.corpus, case.types)
        assert all((one.forward == other.forward).all() for one, other in zip(found, expected))
        assert (case.model.training, case.model.dtype) == (training, torch.bfloat16)
    assert all(torch.equal(before[name], tensor) for name, tensor in case.model.state_dict().items())
    assert all(parameter.grad is None for parameter in case.model.parameters())


def test_perplexity() -> None:
    half, quarter, nan = math.log(0.5), math.log(0.25), math.nan
    one = SentenceLikelihood(np.array([half, half], np.float32), np.array([quarter, half], np.float32))
    # Cut off: the last of the forward direction, the first of the backward one.
    cut = SentenceLikelihood(np.array([quarter, nan], np.float32), np.array([nan, quarter], np.float32))
    found = Perplexity.from_likelihoods([one, cut])
    assert found.n_predictions == 3
    assert found.forward == pytest.approx(2 ** (4 / 3), rel=1e-6)
    assert found.backward == pytest.approx(2 ** (5 / 3), rel=1e-6)
    assert found.average == pytest.approx(math.sqrt(found.forward * found.backward), rel=1e-9)


def test_perplexity_of_a_long_text() -> None:
    """Sums are in double precision: a million predictions are summed exactly enough."""
    values = np.full(1000, math.log(1 / 3), dtype=np.float32)
    found = Perplexity.from_likelihoods([SentenceLikelihood(values, values)] * 1000)
    assert found.n_predictions == 1_000_000
    assert found.forward == pytest.approx(math.exp(-float(values[0])), rel=1e-12)


def test_infinite_perplexity() -> None:
    nothing = Perplexity.from_likelihoods([])
    assert nothing.n_predictions == 0
    assert all(math.isnan(value) for value in (nothing.forward, nothing.backward, nothing.average))
    worst = Perplexity.from_likelihoods(
        [SentenceLikelihood(np.array([-np.inf], np.float32), np.array([-1000], np.float32))]
    )
    assert (worst.forward, worst.backward, worst.average) == (math.inf, math.inf, math.inf)
