"""Whether sentence boundaries are there when the embedder runs. Without any, a Doc is one sentence."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spacy.language import Language
from spacy.pipeline import DependencyParser, SentenceRecognizer, Sentencizer
from spacy.tokens import Doc

from ..errors import Warnings

ATTRIBUTE = "token.is_sent_start"
# Hardly a sentence is longer.
LONG = 500
_SETTERS = (Sentencizer, SentenceRecognizer, DependencyParser)


class Boundaries:
    """Says, once each, that boundaries come too late, and that a long Doc has none."""

    def __init__(self) -> None:
        self._behind: list[str] = []
        self._late_said = False
        self._long_said = False

    def forget(self, nlp: Language | None, *, name: str) -> None:
        """Begin anew: components are about to be found."""
        self._behind = []
        self._show(nlp, name)

    def find(self, component: Any, nlp: Language | None, *, name: str) -> None:
        """Note a component behind the embedder, which could as well stand before it, if it sets boundaries.

        nlp: the pipeline, if it is known. name: the embedder's.
        """
        found = _name_in(component, nlp)
        if found not in (None, *self._behind) and _sets_boundaries(component, nlp, found):
            self._behind.append(found)
            self._show(nlp, name)

    def check(self, docs: Sequence[Doc], *, name: str) -> None:
        """name: the embedder's, for messages."""
        if self._behind and not self._late_said and any(len(doc) > 1 and not _has_boundaries(doc) for doc in docs):
            self._late_said = True
            warnings.warn(Warnings.WL024.format(name=name, other=self._behind[0]), stacklevel=2)
        elif not self._long_said:
            longest = max((len(doc) for doc in docs if len(doc) > LONG and not _has_boundaries(doc)), default=0)
            if longest:
                self._long_said = True
                warnings.warn(Warnings.WL025.format(name=name, tokens=longest), stacklevel=2)

    def _show(self, nlp: Language | None, name: str) -> None:
        """Let `nlp.analyze_pipes` show whether boundaries come too late."""
        meta = None if nlp is None else nlp._pipe_meta.get(name)
        if nlp is not None and meta is not None:
            # What a factory requires is the same in every pipeline; this is of one pipeline.
            nlp._pipe_meta[name] = replace(meta, requires=[ATTRIBUTE] if self._behind else [])


def _name_in(component: Any, nlp: Language | None) -> Any:
    names = [] if nlp is None else [name for name, pipe in nlp.components if pipe is component]
    return names[0] if names else getattr(component, "name", None)


def _sets_boundaries(component: Any, nlp: Language | None, name: str) -> bool:
    if nlp is not None and nlp.has_pipe(name):
        return ATTRIBUTE in nlp.get_pipe_meta(name).assigns
    return isinstance(component, _SETTERS)


def _has_boundaries(doc: Doc) -> bool:
    return doc.has_annotation("SENT_START") or "sents" in doc.user_hooks
