"""AllenNLP's Elmo module over the tiny model; see README.md for what is in the files."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spacy_elmo.torch import ElmoModule
from tests.data import TINY, read_npz

FOLDER = Path(__file__).parent
# One step of training takes one batch.
N_STEPS, LEARNING_RATE = 20, 0.02


@cache
def arrays() -> dict[str, np.ndarray]:
    return read_npz(FOLDER / "allennlp.npz")


@cache
def batches() -> list[list[list[str]]]:
    found: list[list[list[str]]] = json.loads((FOLDER / "sentences.json").read_text("utf-8"))
    return found


def make_module(source: Path = TINY, **settings: object) -> ElmoModule:
    """A module over the tiny model, with the golden's two mixes and without dropout."""
    module = ElmoModule(source, **{"n_mixes": 2, "dropout": 0.0, **settings})  # type: ignore[arg-type]
    with torch.no_grad():
        for number, mix in enumerate(module.mixes):
            mix.weights.copy_(torch.tensor(arrays()["weights"][number]))  # type: ignore[operator]
            mix.gamma.copy_(torch.tensor(arrays()["gamma"][number]))  # type: ignore[operator]
    return module


def labels() -> list[Tensor]:
    """Of the tokens of each batch."""
    sizes = [sum(map(len, batch)) for batch in batches()]
    return list(torch.tensor(arrays()["training.labels"]).split(sizes))


def make_classifier() -> torch.nn.Linear:
    classifier = torch.nn.Linear(32, 4)
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(classifier, name).copy_(torch.tensor(arrays()[f"training.classifier.{name}"]))
    return classifier


def difference(got: Tensor, expected: np.ndarray) -> float:
    assert got.shape == expected.shape
    return float(np.abs(got.detach().numpy() - expected).max(initial=0))
