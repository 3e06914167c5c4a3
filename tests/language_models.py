"""Language models for tests: small ones as folders, and what they predict once more in plain numpy, float64."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spacy_elmo.language_model.model import LanguageModel
from spacy_elmo.language_model.storage import build_language_model, read_model
from spacy_elmo.language_model.vocabulary import Vocabulary
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights
from tests import reference
from tests.data import TINY, read_npz, shared_path

LM = Path(__file__).parent / "lm"
# Some words of the Gettysburg Address, which the vocabulary of the tiny model knows.
WORDS = [
    "<S>", "</S>", "<UNK>", "the", "that", "we", "to", "can", "a", "nation", "have", "not", "and", "dedicated",
    "here", ",", ".", "It", "great", "war", "in", "of",
]  # fmt: skip

Arrays = dict[str, np.ndarray]
# By the name of a cell, as in `reference.layers`.
States = dict[str, reference.State]


def full_softmax(*, n_words: int = len(WORDS), width: int = 8, seed: int = 0) -> Arrays:
    random = np.random.default_rng(seed)
    weight, bias = random.standard_normal((n_words, width)), random.standard_normal(n_words)
    return {"softmax.weight": weight.astype(np.float32), "softmax.bias": bias.astype(np.float32)}


def adaptive_softmax(
    *, head: int = 7, tails: Sequence[tuple[int, int]] = ((5, 6), (1, 9)), width: int = 8
) -> Arrays:
    """head: words in the head. tails: width and words of each cluster; no common number divides these widths."""
    random = np.random.default_rng(1)
    shapes: dict[str, tuple[int, ...]] = {
        "head.weight": (head + len(tails), width),
        "head.bias": (head + len(tails),),
    }
    for k, (narrow, size) in enumerate(tails):
        shapes.update({f"tail.{k}.0.weight": (narrow, width), f"tail.{k}.1.weight": (size, narrow)})
    return {
        f"softmax.adaptive.{name}": random.standard_normal(shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def load_language_model(source: Any) -> tuple[LanguageModel, Vocabulary]:
    return build_language_model(read_model(source))


def write_source(
    folder: Path, softmax: Arrays, *, words: Sequence[str] | None = WORDS, base: Path = TINY, **more: Any
) -> Path:
    """The biLM of another source with a softmax, as our folder. more: arrays to add or replace."""
    weights = read_weights(base)
    write_folder(folder, weights.options, {**weights.arrays, **softmax, **more})
    if words is not None:
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), "utf-8")
    return folder


def write_bilm_tf(folder: Path) -> Path:
    """The language model that bilm-tf has trained; see lm/README.md."""
    arrays = read_npz(LM / "softmax.npz")
    softmax = {f"softmax.{name}": arrays[name] for name in ("weight", "bias")}
    write_source(folder, softmax, words=None, base=shared_path("parity/lm"))
    shutil.copy(LM / "vocab.txt", folder / "vocab.txt")
    return folder


class Reference:
    """base: a source in bilm-tf's form. softmax: see `full_softmax` and `adaptive_softmax`."""

    def __init__(self, softmax: Arrays, *, base: Path = TINY):
        self.options: dict[str, Any] = json.loads((base / "options.json").read_text("utf-8"))
        self.arrays = reference.read_hdf5(base / "weights.hdf5")
        self.softmax = {name: array.astype(np.float64) for name, array in softmax.items()}
        self._words: dict[str, np.ndarray] = {}

    def predictions(self, tokens: Sequence[str], states: States | None = None) -> np.ndarray:
        """Log-probability of every word, (2, n + 1, V), in the order in which each direction reads: forward of
        each token and </S>, backward of each token from the last one on and <S>. states: read and replaced."""
        found = []
        for direction, read in enumerate([["<S>", *tokens], ["</S>", *reversed(tokens)]]):
            found.append(self.log_probabilities(self.hidden(read, direction, {} if states is None else states)))
        return np.array(found)

    def hidden(self, read: Sequence[str], direction: int, states: States) -> np.ndarray:
        lstm = self.options["lstm"]
        rows = np.array([self._word(token) for token in read])
        for k in range(lstm["n_layers"]):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell"
            start = states.get(cell, (np.zeros(lstm["projection_dim"]), np.zeros(lstm["dim"])))
            outputs, states[cell] = reference.lstm(rows, cell, self.options, self.arrays, start)
            rows = outputs + rows if k > 0 and lstm["use_skip_connections"] else outputs
        return rows

    def _word(self, token: str) -> np.ndarray:
        if token not in self._words:
            self._words[token] = reference.word_embedding(token, self.options, self.arrays)
        return self._words[token]

    def log_probabilities(self, hidden: np.ndarray) -> np.ndarray:
        arrays = {name.removeprefix("softmax.").removeprefix("adaptive."): a for name, a in self.softmax.items()}
        if "weight" in arrays:
            return log_softmax(hidden @ arrays["weight"].T + arrays["bias"])
        n_tails = sum(name.endswith(".0.weight") for name in arrays)
        head = log_softmax(hidden @ arrays["head.weight"].T + arrays["head.bias"])
        n_head = head.shape[1] - n_tails
        parts = [head[:, :n_head]]
        for k in range(n_tails):
            inside = log_softmax(hidden @ arrays[f"tail.{k}.0.weight"].T @ arrays[f"tail.{k}.1.weight"].T)
            parts.append(head[:, n_head + k : n_head + k + 1] + inside)
        return np.concatenate(parts, axis=1)

    def likelihood(
        self, tokens: Sequence[str], words: Sequence[str] = WORDS, states: States | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of what stands there, (n + 1,) in each direction, in text order."""
        forward, backward = self.predictions(tokens, states)
        ids = [words.index(word if word in words else "<UNK>") for word in ["<S>", *tokens, "</S>"]]
        steps = range(len(tokens) + 1)
        return forward[steps, ids[1:]], backward[steps, ids[-2::-1]][::-1]


def log_softmax(scores: np.ndarray) -> np.ndarray:
    scores = scores - scores.max(axis=-1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True)))


def warm_state(seed: int = 3) -> tuple[dict[str, Any], States]:
    """A warm state for the tiny model: as arrays of a source, and for `Reference`."""
    random = np.random.default_rng(seed)
    hidden = random.uniform(-1, 1, (2, 2, 8)).astype(np.float32)
    cell = random.uniform(-1, 1, (2, 2, 24)).astype(np.float32)
    states = {
        f"RNN_{d}/RNN/MultiRNNCell/Cell{k}/LSTMCell": (hidden[d, k].astype(float), cell[d, k].astype(float))
        for d in (0, 1)
        for k in (0, 1)
    }
    return {"initial_state.hidden": hidden, "initial_state.cell": cell}, states


def lines_of(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text("utf-8").splitlines()]
