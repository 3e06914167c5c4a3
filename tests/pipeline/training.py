"""A toy training set, and pipelines that learn it."""

from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.language import Language
from spacy.training import Example
from thinc.api import fix_random_seed

from tests.components import get_embedder, update
from tests.data import TINY

LISTENER = {"@architectures": "spacy-elmo.ElmoListener.v1"}
TEXTS: list[tuple[str, dict[str, Any]]] = [
    (
        "I like green eggs",
        {"tags": ["N", "V", "J", "N"], "entities": [(7, 17, "FOOD")], "cats": {"A": 1.0, "B": 0.0}},
    ),
    ("Eat blue ham", {"tags": ["V", "J", "N"], "entities": [(4, 12, "FOOD")], "cats": {"A": 0.0, "B": 1.0}}),
    ("", {}),
    ("They \n like it", {"tags": ["N", "_SP", "V", "N"], "entities": [], "cats": {"A": 1.0, "B": 0.0}}),
]


def pipeline(
    *pipes: str, listener: Any = LISTENER, source: Path | str = TINY, model: Any = None, **config: Any
) -> Language:
    """The embedder, and components that listen to it; not initialised yet."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(source), **({"model": model} if model else {}), **config})
    for pipe in pipes:
        nlp.add_pipe(pipe, config={"model": {"tok2vec": listener}})
    return nlp


def examples(nlp: Language, *, empty: bool = True) -> list[Example]:
    return [Example.from_dict(nlp.make_doc(text), gold) for text, gold in TEXTS if text or empty]


def initialize(nlp: Language) -> Any:
    """RETURNS: the optimizer."""
    fix_random_seed(0)
    return nlp.initialize(lambda: examples(nlp, empty=False))


def train(nlp: Language, sgd: Any, *, steps: int, **kwargs: Any) -> dict[str, float]:
    """Steps as `nlp.update(sgd=...)` takes them. RETURNS: the last losses."""
    losses: dict[str, float] = {}
    for _ in range(steps):
        losses = nlp.update(examples(nlp), sgd=sgd, losses={}, **kwargs)
    return losses


def train_like_spacy(nlp: Language, sgd: Any, *, steps: int, exclude: Any = (), annotates: Any = ()) -> None:
    """Steps as `spacy train` takes them, each from one part."""
    for _ in range(steps):
        update(nlp, examples(nlp), sgd=False, exclude=exclude, annotates=annotates)
        for name, pipe in nlp.pipeline:
            if name not in exclude and hasattr(pipe, "finish_update"):
                pipe.finish_update(sgd)


def arrays(nlp: Language) -> dict[str, np.ndarray]:
    """A copy of the embedder's weights."""
    return {name: np.array(array) for name, array in get_embedder(nlp).elmo.named_arrays().items()}


def list_changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> list[str]:
    """Names of the arrays that are not the same."""
    assert before.keys() == after.keys()
    return [name for name in before if not np.array_equal(before[name], after[name])]


def tags(nlp: Language) -> list[list[str]]:
    return [[token.tag_ for token in nlp(text)] for text, _ in TEXTS]
