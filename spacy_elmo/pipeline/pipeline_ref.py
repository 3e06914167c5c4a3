"""The pipeline that a component is in, and who else writes doc.tensor there."""

import weakref
from typing import Any

from spacy.language import Language

TENSOR = "doc.tensor"


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
