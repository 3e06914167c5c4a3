"""A component's pipeline: which other component writes doc.tensor, and whether sentences are set before it."""

import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, cast

from spacy.language import Language
from spacy.pipeline import DependencyParser, SentenceRecognizer, Sentencizer
from spacy.tokens import Doc

from ..errors import Warnings

if TYPE_CHECKING:
    from ..weights.source import Source

TENSOR = "doc.tensor"
ATTRIBUTE = "token.is_sent_start"
# Few sentences have more tokens.
LONG = 500
_SETTERS = (Sentencizer, SentenceRecognizer, DependencyParser)


class PipelineRef:
    """A weak reference to the pipeline that a component was made or initialized in.

    If it is pickled, or copied without the pipeline, it keeps only the answer of `other_writer`: the workers of
    nlp.pipe have no pipeline to ask. spaCy does not notify a component that another pipeline sources it; that
    pipeline is not found.

    nlp (Language | None): The pipeline; None: unknown.
    component (object): The component.
    answer (str | None): The answer of `other_writer` while the pipeline is unknown.
    """

    def __init__(self, nlp: Language | None = None, component: object = None, answer: str | None = None):
        # What is unknown is like what was deleted: a call gives None.
        self._nlp: Callable[[], Language | None] = type(None) if nlp is None else weakref.ref(nlp)
        self._member: Callable[[], object] = type(None) if component is None else weakref.ref(component)
        self._answer = answer

    def __reduce__(self) -> tuple[type["PipelineRef"], tuple[None, None, str | None]]:
        return PipelineRef, (None, None, self.other_writer())

    def __deepcopy__(self, memo: dict[int, object]) -> "PipelineRef":
        # If a whole pipeline is copied, the copies of both are in the memo.
        nlp, component = (memo.get(id(one)) for one in (self._nlp(), self._member()))
        if nlp is None or component is None:
            return PipelineRef(answer=self.other_writer())
        return PipelineRef(cast(Language, nlp), component)

    @property
    def nlp(self) -> Language | None:
        """The pipeline, if it is known and alive."""
        return self._nlp()

    def snapshot(self) -> tuple[int, ...]:
        """List the components that are enabled now.

        RETURNS (tuple[int, ...]): The `id` of each name and component, equal to an earlier list if nothing has
            changed; empty if the pipeline is unknown.
        """
        nlp = self._nlp()
        return () if nlp is None else tuple(map(id, chain.from_iterable(nlp.pipeline)))

    @property
    def is_enabled(self) -> bool:
        """Whether the component is enabled in the pipeline; False if the pipeline is unknown."""
        nlp, component = self._nlp(), self._member()
        return nlp is not None and any(pipe is component for _, pipe in nlp.pipeline)

    def initial_source(self) -> "Source | None":
        """Get the source from which `nlp.initialize` would read the component's weights, by the pipeline's config.

        RETURNS (Source | None): None if the config has none.
        """
        nlp, component = self._nlp(), self._member()
        if nlp is None:
            return None
        settings = nlp.config["initialize"]["components"]
        names = [name for name, pipe in nlp.components if pipe is component]
        return settings.get(names[0], {}).get("source") if names else None

    def other_writer(self) -> str | None:
        """Find another enabled component that assigns doc.tensor.

        RETURNS (str | None): Its name; None if there is none, or the component itself is not enabled.
        """
        nlp, component = self._nlp(), self._member()
        if nlp is None or component is None:
            return self._answer
        if not self.is_enabled:
            return None
        for name, pipe in nlp.pipeline:
            # Another embedder whose `set_tensor` is None leaves doc.tensor to other components.
            writes = TENSOR in nlp.get_pipe_meta(name).assigns and getattr(pipe, "set_tensor", True)
            if pipe is not component and writes:
                return str(name)
        return None


class Boundaries:
    """Warns once if a component sets sentence boundaries too late, and once if a long Doc has none."""

    def __init__(self) -> None:
        self._behind: list[str] = []
        self._has_warned_late = False
        self._has_warned_long = False

    def forget(self, nlp: Language | None, *, name: str) -> None:
        """Forget the components, before they are looked for again.

        nlp (Language | None): The pipeline, if it is known.
        name (str): The embedder's name.
        """
        self._behind = []
        self._update_meta(nlp, name)

    def find(self, component: object, nlp: Language | None, *, name: str) -> None:
        """Note a component if it sets sentence boundaries.

        component (object): A component behind the embedder.
        nlp (Language | None): The pipeline, if it is known.
        name (str): The embedder's name.
        """
        found = _find_name(component, nlp)
        if found is not None and found not in self._behind and _sets_boundaries(component, nlp, found):
            self._behind.append(found)
            self._update_meta(nlp, name)

    def check(self, docs: Sequence[Doc], *, name: str) -> None:
        """Warn if Docs lack sentence boundaries.

        docs (Sequence[Doc]): Docs that the embedder runs.
        name (str): The embedder's name.
        """
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
        """Let `nlp.analyze_pipes` show whether sentence boundaries are set too late."""
        meta = None if nlp is None else nlp._pipe_meta.get(name)
        if nlp is not None and meta is not None:
            # In the component's meta: the factory's `requires` would apply to every pipeline.
            nlp._pipe_meta[name] = replace(meta, requires=[ATTRIBUTE] if self._behind else [])


def _find_name(component: object, nlp: Language | None) -> str | None:
    names = [] if nlp is None else [name for name, pipe in nlp.components if pipe is component]
    default: str | None = getattr(component, "name", None)
    return names[0] if names else default


def _sets_boundaries(component: object, nlp: Language | None, name: str) -> bool:
    if nlp is not None and nlp.has_pipe(name):
        return ATTRIBUTE in nlp.get_pipe_meta(name).assigns
    return isinstance(component, _SETTERS)


def _has_boundaries(doc: Doc) -> bool:
    return doc.has_annotation("SENT_START") or "sents" in doc.user_hooks
