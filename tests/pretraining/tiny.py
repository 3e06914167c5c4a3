"""Small models and texts for the tests of pre-training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import CLOSING, OPENING, character_ids
from spacy_elmo.bilm.options import Options
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.language_model.word_types import EncodedTypes


def lm_options(**settings: Any) -> Options:
    """Options of a model of a few hundred numbers. settings: fields of `lstm` and `char_cnn` to replace."""
    lstm: dict[str, Any] = {"dim": 5, "projection_dim": 4, "n_layers": 2, "cell_clip": 0.8, "proj_clip": 0.6}
    cnn: dict[str, Any] = {
        "activation": "tanh", "filters": [[1, 2], [2, 3], [3, 4]], "n_highway": 1, "embedding": {"dim": 3},
        "n_characters": 262, "max_characters_per_token": 20,
    }  # fmt: skip
    sections = {"lstm": {**lstm, "use_skip_connections": True}, "char_cnn": cnn}
    for name, value in settings.items():
        section = "char_cnn" if name in cnn else "lstm"
        sections[section][name] = value
    return Options.from_dict(sections)


@torch.no_grad()
def lm_randomise(module: nn.Module, *, seed: int = 0, scale: float = 0.7) -> None:
    """Draw weights and biases so large that gates open and close, and clips apply."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.normal_(std=scale, generator=generator)


def lm_bilm(options: Options, *, dtype: torch.dtype = torch.float64, seed: int = 0) -> BiLM:
    bilm = BiLM(options=options).to(dtype)
    lm_randomise(bilm, seed=seed)
    with torch.no_grad():
        bilm.char_encoder.embedding.weight[0] = 0
    return bilm


def lm_ids(options: Options, tokens: Sequence[str]) -> Tensor:
    return torch.from_numpy(character_ids(tokens, max_characters=options.char_cnn.max_characters_per_token))


def lm_types(options: Options, corpus: Corpus, vocabulary: Vocabulary) -> EncodedTypes:
    texts = [*corpus.types, OPENING, CLOSING]
    return EncodedTypes(lm_ids(options, texts).to(torch.int16), torch.from_numpy(vocabulary.ids(texts)))


def lm_sentences(n: int, *, seed: int = 0) -> list[list[str]]:
    """Make sentences of a tiny grammar, so that the next word can be predicted."""
    rng = np.random.default_rng(seed)
    parts = [["the", "a"], ["old", "green", "tiny"], ["dog", "cat", "extraordinary-bird"], ["sees", "eats"], ["."]]
    return [[str(rng.choice(words)) for words in parts if rng.random() < 0.9] for _ in range(n)]


def lm_gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def lm_error(got: Tensor, expected: Tensor) -> float:
    """Compute the norm of the difference, relative to that of what is expected."""
    return float((got - expected).detach().norm() / expected.detach().norm())
