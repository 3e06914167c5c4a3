"""Who else in a pipeline writes doc.tensor."""

import weakref
from typing import Any, Optional, Tuple

from spacy.language import Language

TENSOR = "doc.tensor"


class PipelineRef:
    """A weak reference to a pipeline that does not travel: pickling or copying a component leaves it behind."""

    def __init__(self, nlp: Optional[Language] = None):
        self._ref = None if nlp is None else weakref.ref(nlp)

    def __reduce__(self) -> Tuple[type, Tuple[()]]:
        return PipelineRef, ()

    def other_writer(self, embedder: Any) -> Optional[str]:
        """Name of another enabled component that assigns doc.tensor, if the embedder is enabled as well."""
        nlp = self._ref() if self._ref is not None else None
        if nlp is None or not any(pipe is embedder for _, pipe in nlp.pipeline):
            return None
        for name, pipe in nlp.pipeline:
            writes = TENSOR in nlp.get_pipe_meta(name).assigns and getattr(pipe, "set_tensor", True)
            if pipe is not embedder and writes:
                return str(name)
        return None
