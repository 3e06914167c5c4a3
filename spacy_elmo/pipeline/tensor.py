"""Who writes doc.tensor: the embedder, or another component beside it."""

import warnings
from collections.abc import Sequence

from spacy.tokens import Doc

from ..errors import Errors, Warnings
from ..models.doc_layers import wrote_tensor
from ..models.runs import is_own_tensor
from .membership import PipelineRef

BEFORE = "a component before it"


class TensorWriter:
    """setting: True: the embedder writes doc.tensor, and nobody else may; False: it does not; None: unless
    somebody else does. That is seen in the pipeline, where it is known, and on the Docs everywhere."""

    def __init__(self, setting: bool | None):
        self.setting = setting
        self._other: str | None = None
        self._is_known = False
        self._said = False

    @property
    def writes(self) -> bool:
        """Whether tensors are to be computed."""
        return self.setting is not False and not (self.may_leave and self._other is not None)

    @property
    def may_leave(self) -> bool:
        return self.setting is None

    def prepare(self, pipeline: PipelineRef, *, name: str) -> None:
        """RAISES: ValueError if another component writes it as well, and the config says that this one does."""
        self._is_known = pipeline.nlp is not None
        # What the Docs tell is newer than an answer that a copy has kept.
        asks = self.setting or (self.may_leave and self._is_known)
        self._other = pipeline.other_writer() if asks else None
        if self._other is not None:
            if self.setting:
                raise ValueError(Errors.EL050.format(name=name, other=self._other))
            self._say(name, f"'{self._other}'")

    def find_foreign(self, docs: Sequence[Doc]) -> list[Doc]:
        """Those that have a tensor that no embedder has written."""
        # Anybody may have put anything there; doc_cleaner puts None.
        found = [doc for doc in docs if getattr(doc.tensor, "size", 0)]
        return [doc for doc in found if not (wrote_tensor(doc) or is_own_tensor(doc.tensor))]

    def find_left(self, docs: Sequence[Doc], *, name: str) -> list[bool]:
        """Which Docs' tensors are to stay as they are.

        RAISES: ValueError if one is somebody else's, and the config says that it is the embedder's.
        """
        if self.may_leave and self._other is not None:
            return [True] * len(docs)
        foreign = [] if self.setting is False else self.find_foreign(docs)
        if not foreign:
            return [False] * len(docs)
        if self.may_leave:
            self._say(name, BEFORE)
            numbers = set(map(id, foreign))
            return [id(doc) in numbers for doc in docs]
        if not self._is_known:
            raise ValueError(Errors.EL050.format(name=name, other=BEFORE))
        return [False] * len(docs)

    def _say(self, name: str, other: str) -> None:
        if not self._said:
            self._said = True
            warnings.warn(Warnings.WL026.format(name=name, other=other), stacklevel=2)
