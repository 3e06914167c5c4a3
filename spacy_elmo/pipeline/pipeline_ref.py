"""The pipeline that a component is in: who else writes doc.tensor, and whether sentences are set in time."""

import warnings
import weakref
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from spacy.language import Language
from spacy.pipeline import DependencyParser, SentenceRecognizer, Sentencizer
from spacy.tokens import Doc

from ..errors import Warnings

TENSOR = "doc.tensor"
ATTRIBUTE = "token.is_sent_start"
# Hardly a sentence is longer.
LONG = 500
_SETTERS = (Sentencizer, SentenceRecognizer, DependencyParser)


class PipelineRef:
    """The pipeline that a component was made in, or initialised in, without keeping it alive.

    Pickled, or copied without the pipeline, it keeps only the answer: the workers of nlp.pipe have no pipeline to
    look at. spaCy does not tell a component that another pipeline sources it; there, nothing is found.
    """

    def __init__(self, nlp: Language | None = None, component: Any = None, answer: str | None = None):
        self._nlp = None if nlp is None else weakref.ref(nlp)
        self._component = None if component is None else weakref.ref(component)
        self._answer = answer

    def __reduce__(self) -> tuple[Any, tuple[None, None, str | None]]:
        return PipelineRef, (None, None, self.other_writer())

    def __deepcopy__(self, memo: dict[int, Any]) -> "PipelineRef":
        # With a whole pipeline, the copies of both are under way.
        nlp, component = (memo.get(id(one)) for one in (self.nlp, self._member))
        if nlp is None or component is None:
            return PipelineRef(answer=self.other_writer())
        return PipelineRef(nlp, component)

    @property
    def nlp(self) -> Language | None:
        """The pipeline, if it is known and still there."""
        return None if self._nlp is None else self._nlp()

    def snapshot(self) -> tuple[int, ...]:
        """Which components are enabled now, in order, by `id` of name and component; empty if that is not known.

        RETURNS (tuple[int, ...]): Equal to an earlier one if nothing has changed.
        """
        nlp = None if self._nlp is None else self._nlp()
        return () if nlp is None else tuple(map(id, chain.from_iterable(nlp.pipeline)))

    @property
    def _member(self) -> Any:
        return None if self._component is None else self._component()

    @property
    def is_enabled(self) -> bool:
        """Whether the component is at work in the pipeline, as far as is known."""
        nlp, component = self.nlp, self._member
        return nlp is not None and any(pipe is component for _, pipe in nlp.pipeline)

    def initial_source(self) -> Any:
        """What the pipeline's config has `nlp.initialize` read the component's weights from; None if nothing."""
        nlp, component = self.nlp, self._member
        if nlp is None:
            return None
        settings = nlp.config["initialize"]["components"]
        names = [name for name, pipe in nlp.components if pipe is component]
        return settings.get(names[0], {}).get("source") if names else None

    def other_writer(self) -> str | None:
        """Name of another enabled component that assigns doc.tensor, if this one is enabled as well."""
        nlp, component = self.nlp, self._member
        if nlp is None or component is None:
            return self._answer
        if not self.is_enabled:
            return None
        for name, pipe in nlp.pipeline:
            # Another embedder whose `set_tensor` is None leaves doc.tensor to whoever sets it.
            writes = TENSOR in nlp.get_pipe_meta(name).assigns and getattr(pipe, "set_tensor", True)
            if pipe is not component and writes:
                return str(name)
        return None


class Boundaries:
    """Says, once each, that boundaries come too late, and that a long Doc has none."""

    def __init__(self) -> None:
        self._behind: list[str] = []
        self._has_warned_late = False
        self._has_warned_long = False

    def forget(self, nlp: Language | None, *, name: str) -> None:
        """Begin anew: components are about to be found."""
        self._behind = []
        self._update_meta(nlp, name)

    def find(self, component: Any, nlp: Language | None, *, name: str) -> None:
        """Note a component behind the embedder, which could as well stand before it, if it sets boundaries.

        nlp: the pipeline, if it is known. name: the embedder's.
        """
        found = _find_name(component, nlp)
        if found not in (None, *self._behind) and _sets_boundaries(component, nlp, found):
            self._behind.append(found)
            self._update_meta(nlp, name)

    def check(self, docs: Sequence[Doc], *, name: str) -> None:
        """name: the embedder's, for messages."""
        if (
            self._behind
            and not self._has_warned_late
            and any(len(doc) > 1 and not _has_boundaries(doc) for doc in docs)
        ):
            self._has_warned_late = True
            warnings.warn(Warnings.WL024.format(name=name, other=self._behind[0]), stacklevel=2)
        elif not self._has_warned_long and max(map(len, docs), default=0) > LONG:
            longest = max((len(doc) for doc in docs if len(doc) > LONG and not _has_boundaries(doc)), default=0)
            if longest:
                self._has_warned_long = True
                warnings.warn(Warnings.WL025.format(name=name, tokens=longest), stacklevel=2)

    def _update_meta(self, nlp: Language | None, name: str) -> None:
        """Let `nlp.analyze_pipes` show whether boundaries come too late."""
        meta = None if nlp is None else nlp._pipe_meta.get(name)
        if nlp is not None and meta is not None:
            # What a factory requires is the same in every pipeline; this is of one pipeline.
            nlp._pipe_meta[name] = replace(meta, requires=[ATTRIBUTE] if self._behind else [])


def _find_name(component: Any, nlp: Language | None) -> Any:
    names = [] if nlp is None else [name for name, pipe in nlp.components if pipe is component]
    return names[0] if names else getattr(component, "name", None)


def _sets_boundaries(component: Any, nlp: Language | None, name: str) -> bool:
    if nlp is not None and nlp.has_pipe(name):
        return ATTRIBUTE in nlp.get_pipe_meta(name).assigns
    return isinstance(component, _SETTERS)


def _has_boundaries(doc: Doc) -> bool:
    return doc.has_annotation("SENT_START") or "sents" in doc.user_hooks
