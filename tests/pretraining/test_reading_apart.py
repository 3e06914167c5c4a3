"""Reading by threads that work side by side: the numbers, and who does what."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.pretraining import reading_apart
from spacy_elmo.pretraining.corpus import Corpus
from spacy_elmo.pretraining.language_model import LanguageModel
from spacy_elmo.pretraining.likelihood import iter_carried
from spacy_elmo.pretraining.reading_apart import read_apart
from spacy_elmo.pretraining.softmax import Softmax
from spacy_elmo.pretraining.vocabulary import Vocabulary
from spacy_elmo.runtime.threads import own_threads
from tests.at_work import at_work
from tests.pretraining.tiny import lm_bilm, lm_ids, lm_options, lm_randomise, lm_sentences, lm_types

MODELS: dict[str, dict[str, Any]] = {
    "two-layers": {},
    "three-layers": {"n_layers": 3},
    "no-projection": {"dim": 4},
    "no-clips": {"cell_clip": None, "proj_clip": None},
}
models = pytest.mark.parametrize("settings", MODELS.values(), ids=MODELS)


def make(settings: dict[str, Any], *, dtype: torch.dtype = torch.float64) -> tuple[LanguageModel, Tensor, Tensor]:
    """A model, word types, and 6 steps of 3 rows."""
    model = LanguageModel(bilm=lm_bilm(lm_options(**settings), dtype=dtype), softmax=nn.Identity(), dtype=dtype)
    ids = lm_ids(model.bilm.options, ["<S>", "</S>", "a", "dog", "sees", "extraordinary-bird"])
    inputs = torch.randint(0, len(ids), (6, 2, 3), generator=torch.Generator().manual_seed(4))
    return model.eval(), ids, inputs


@models
def test_as_the_model(settings: dict[str, Any]) -> None:
    model, ids, inputs = make(settings)
    generator = torch.Generator().manual_seed(5)
    zeros = model.bilm.zero_state(3)
    start = LSTMState(*(torch.randn(part.shape, dtype=part.dtype, generator=generator) / 3 for part in zeros))
    with torch.no_grad():
        expected, final = model(ids, inputs, start)
        got, state = read_apart(model, ids, inputs, start)
    for one, other in zip((got, *state), (expected, *final), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_one_word() -> None:
    model, ids, inputs = make({})
    with torch.no_grad():
        expected, _ = model(ids[:1], inputs * 0, model.bilm.zero_state(3))
        got, _ = read_apart(model, ids[:1], inputs * 0, model.bilm.zero_state(3))
    torch.testing.assert_close(got, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("n_threads", "each"), [(2, 1), (4, 2)])
@pytest.mark.parametrize("name", ["encode", "_run_stack"])
def test_parts_run_side_by_side(name: str, n_threads: int, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids, inputs = make({})
    found = at_work(monkeypatch, reading_apart, name)
    with own_threads(n_threads):
        read_apart(model, ids, inputs, model.bilm.zero_state(3))
    assert found == [each] * 2


@pytest.mark.parametrize("n_rows", [1, 4])
def test_the_number_of_threads_does_not_matter(n_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit; both directions' softmax at the same time."""
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
