"""What tests read: the small model of their own, the published options, the goldens of other programs."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

# Takes a line of what a test has measured: the fixture `measured`.
Measured = Callable[[str], None]

ROOT = Path(__file__).parent.parent
TINY = Path(__file__).parent / "tiny"
# Golden outputs of other programs and free corpora: too large, or under licences of their own, to ship.
SHARED = Path(os.environ.get("SPACY_ELMO_SHARED", ROOT.parent / "shared"))


# How the CPU may compute; the fixture `way` forces one.
WAYS = ["plain", "torch", "packed"]

# As published for the original model (Peters et al. 2018; AllenNLP's options file).
ORIGINAL: dict[str, Any] = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "n_highway": 2,
        "embedding": {"dim": 16},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}


def shared_path(name: str) -> Path:
    """A file or folder of the shared goldens; skips the test where they are absent, and fails it in CI."""
    path = SHARED / name
    if not path.exists():
        reason = f"no {name} in {SHARED}: clone the goldens there, or point SPACY_ELMO_SHARED at them"
        if os.environ.get("SPACY_ELMO_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


class Case(NamedTuple):
    sentences: list[list[str]]
    expected: list[np.ndarray]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, which is closed again."""
    with np.load(path) as arrays:
        return dict(arrays)


def read_case(folder: Path, expected: str = "expected") -> Case:
    sentences = json.loads((folder / "sentences.json").read_text("utf-8"))
    arrays = read_npz(folder / f"{expected}.npz")
    return Case(sentences, [arrays[f"s{i}"] for i in range(len(sentences))])


def worst(one: Any, two: Any) -> float:
    """The largest difference between arrays of two lists."""
    return max(float(np.abs(a - b).max(initial=0)) for a, b in zip(one, two))
