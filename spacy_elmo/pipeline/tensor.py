"""Who writes doc.tensor: the embedder, or another component beside it."""

import warnings
from typing import Optional

from spacy.tokens import Doc

from ..errors import Errors, Warnings
from ..models.doc_layers import wrote_tensor
from ..models.runs import is_own_tensor
from .membership import PipelineRef

BEFORE = "a component before it"


class TensorWriter:
    """setting: True: the embedder writes doc.tensor, and nobody else may; False: it does not; None: unless
    somebody else does. That is seen in the pipeline, where it is known, and on the Docs everywhere."""

    def __init__(self, setting: Optional[bool]):
        self.setting = setting
        self._other: Optional[str] = None
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

    def is_foreign(self, doc: Doc) -> bool:
        """Whether the Doc has a tensor that no embedder has written."""
        # spaCy's doc_cleaner leaves None.
        return bool(getattr(doc.tensor, "size", 0)) and not (wrote_tensor(doc) or is_own_tensor(doc.tensor))

    def leaves(self, doc: Doc, *, name: str) -> bool:
        """Whether a Doc's tensor is to stay as it is.

        RAISES: ValueError if it is somebody else's, and the config says that it is the embedder's.
        """
        if self.may_leave and self._other is not None:
            return True
        if self.setting is False or not self.is_foreign(doc):
            return False
        if self.may_leave:
            self._say(name, BEFORE)
        elif not self._is_known:
            raise ValueError(Errors.EL050.format(name=name, other=BEFORE))
        return self.may_leave

    def _say(self, name: str, other: str) -> None:
        if not self._said:
            self._said = True
            warnings.warn(Warnings.WL026.format(name=name, other=other), stacklevel=2)
