import random

import numpy as np
import pytest
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import CLOSING, OPENING, character_ids
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.elmo import Elmo
from spacy_elmo.engine import warm
from spacy_elmo.engine.plain import PlainEngine
from spacy_elmo.engine.warm import BURN_IN, LEAST_SENTENCES, N_ROWS, mean_final_state

N_SENTENCES = LEAST_SENTENCES + N_ROWS + 7  # the last batch is not full


@pytest.fixture(scope="module")
def running_text(sentences: list[list[str]]) -> list[list[str]]:
    """Many short sentences of real words, of different lengths."""
    words = [word for sentence in sentences for word in sentence]
    chance = random.Random(8)
    return [chance.choices(words, k=chance.randint(1, 9)) for _ in range(N_SENTENCES)]


def mean(elmo: Elmo, sentences: list[list[str]]) -> LSTMState:
    return mean_final_state(elmo.engine, sentences, lstm=elmo.options.lstm)


@torch.no_grad()
def one_by_one(bilm: BiLM, sentences: list[list[str]]) -> list[np.ndarray]:
    """The same by the trainable module: row after row, and in a row sentence after sentence."""
    finals = []
    for row in range(N_ROWS):
        state = None
        for number, sentence in enumerate(sentences[row::N_ROWS]):
            ids = character_ids([OPENING, *sentence, CLOSING], max_characters=50)
            words = bilm.char_encoder(torch.from_numpy(ids))
            state = bilm(words, [len(words)], state=state).state
            if number >= BURN_IN:
                finals.append([part[:, :, 0].double().numpy() for part in state])
    assert len(finals) == N_SENTENCES - N_ROWS * BURN_IN
    return [np.mean(parts, axis=0) for parts in zip(*finals)]


def test_equal_to_reading_sentence_by_sentence(
    elmo: Elmo, bilm: BiLM, running_text: list[list[str]], way: str
) -> None:
    state = mean(elmo, running_text)
    assert (state.hidden.shape, state.cell.shape) == ((2, 2, 8), (2, 2, 24))
    for part, expected in zip(state, one_by_one(bilm, running_text)):
        assert part.dtype == torch.float32
        np.testing.assert_allclose(part.numpy(), expected, atol=1e-5)


def test_the_plain_engine(elmo: Elmo, bilm: BiLM, running_text: list[list[str]]) -> None:
    got = mean_final_state(PlainEngine(bilm=bilm), running_text, lstm=elmo.options.lstm)
    for one, other in zip(got, mean(elmo, running_text)):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)


def test_deterministic_and_without_memory(elmo: Elmo, running_text: list[list[str]]) -> None:
    first = mean(elmo, running_text)
    elmo.embed(running_text[:5])
    # Sentences without tokens take no row, and any iterable will do.
    again = mean(elmo, iter([[], *running_text[:70], [], *running_text[70:], []]))
    assert all(torch.equal(one, other) for one, other in zip(first, again))


def test_what_runs_together_does_not_matter(
    elmo: Elmo, running_text: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mean(elmo, running_text)
    monkeypatch.setattr(warm, "BATCH_TOKENS", 25)
    for one, other in zip(mean(elmo, running_text), expected):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-6)


@pytest.mark.parametrize("n_sentences", [0, LEAST_SENTENCES - 1])
def test_too_few_sentences(elmo: Elmo, running_text: list[list[str]], n_sentences: int) -> None:
    with pytest.raises(ValueError, match=rf"EL095.*needs {LEAST_SENTENCES} sentences .* got {n_sentences}\."):
        mean(elmo, [*running_text[:n_sentences], []])
