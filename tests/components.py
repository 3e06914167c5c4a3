"""Components of pipelines with types of their own: spaCy's stubs call each of them a function of a Doc."""

from typing import Any

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, Optimizer

from spacy_elmo.models.listener import is_listener
from spacy_elmo.pipeline.embedder import ElmoEmbedder

# Of Docs. Thinc types its arrays apart from NumPy's, and on the CPU they are NumPy's.
Arrays = list[np.ndarray]
ListenerModel = Model[list[Doc], Any]


def get_embedder(nlp: Language, name: str = "elmo_embedder") -> ElmoEmbedder:
    component: object = nlp.get_pipe(name)
    assert isinstance(component, ElmoEmbedder)
    return component


def get_trainable(nlp: Language, name: str = "tagger") -> Any:
    """A component of spaCy's: its classes are compiled, and have no types."""
    return nlp.get_pipe(name)


def get_listener(nlp: Language, name: str = "tagger") -> ListenerModel:
    """The listener in a component."""
    return next(node for node in get_trainable(nlp, name).model.walk() if is_listener(node))


def get_array(model: Model[Any, Any], name: str) -> np.ndarray:
    """A parameter itself: what is written to it is written to the model."""
    array: Any = model.get_param(name)
    assert isinstance(array, np.ndarray)
    return array


def set_array(model: Model[Any, Any], name: str, values: Any) -> None:
    array: Any = np.asarray(values, dtype=np.float32)
    model.set_param(name, model.ops.asarray_f(array))


def update(nlp: Language, examples: Any, *, sgd: Optimizer | bool | None, **arguments: Any) -> dict[str, float]:
    """`nlp.update`, which also takes False for the optimizer, as spaCy's own loop gives it."""
    found: dict[str, float] = nlp.update(examples, sgd=sgd, **arguments)  # type: ignore[arg-type]
    return found


def collect_failures(nlp: Language) -> list[tuple[str, Exception]]:
    """Let Docs fail without an end to the stream. RETURNS: the text and the error of each, as they come."""
    failures: list[tuple[str, Exception]] = []

    def collect(name: str, component: Any, docs: list[Doc], error: Exception) -> None:
        failures.extend((doc.text, error) for doc in docs)

    # spaCy's type has handlers that raise alone.
    nlp.set_error_handler(collect)  # type: ignore[arg-type]
    return failures
