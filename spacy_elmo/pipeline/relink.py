"""A callback for training configs."""

from collections.abc import Callable
from typing import Any

from spacy.language import Language

from .listeners import ListenedTo


def make_relink() -> Callable[[Language, dict[str, Any]], None]:
    """For [training.before_update], registered as spacy-elmo.relink.v1: before each step, every embedder finds its
    listeners again. Needed where spaCy does not link them: components that were sourced and are frozen or
    resumed behind an embedder that is sourced as well."""
    return relink


def relink(nlp: Language, info: dict[str, Any]) -> None:
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, ListenedTo):
            pipe.link(nlp)
