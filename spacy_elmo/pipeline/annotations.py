"""The embedder's annotations on a Doc, and which component writes doc.tensor."""

import warnings
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.api import Ops
from thinc.types import Floats2d

from ..bilm.layers import LayerOutputs
from ..errors import ElmoError, Errors, Warnings
from ..models.doc_layers import KEY, Hashes, token_hashes, wrote_tensor
from ..models.runs import is_own_tensor
from .pipeline_ref import PipelineRef

BEFORE = "a component before it"


class TensorWriter:
    """Decides whether an embedder writes doc.tensor, by the pipeline, if that is known, and by the Docs.

    setting (bool | None): True: it writes doc.tensor, and no other component may; False: it does not; None: unless
        another component does.
    """

    def __init__(self, setting: bool | None):
        self.setting = setting
        self.may_leave = setting is None
        self._other: str | None = None
        self._is_known = False
        self._has_warned = False

    @property
    def writes(self) -> bool:
        """Whether tensors have to be computed."""
        return self.setting is not False and not (self.may_leave and self._other is not None)

    def prepare(self, pipeline: PipelineRef, *, name: str) -> None:
        """Find another component that writes doc.tensor, and warn of it.

        pipeline (PipelineRef): The embedder's pipeline.
        name (str): The embedder's name.
        RAISES (ElmoError): If there is one, and the setting is True.
        """
        self._is_known = pipeline.nlp is not None
        # Without the pipeline, the Docs are more recent than an answer that a copy has kept.
        asks = self.setting or (self.may_leave and self._is_known)
        self._other = pipeline.other_writer() if asks else None
        if self._other is not None:
            if self.setting:
                raise ElmoError(Errors.EL050.format(name=name, other=self._other))
            self._warn_once(name, f"'{self._other}'")

    def find_foreign(self, docs: Sequence[Doc]) -> list[Doc]:
        """Find Docs whose tensor was not written by an embedder.

        docs (Sequence[Doc]): The Docs.
        RETURNS (list[Doc]): Those with such a tensor.
        """
        # A tensor may be of any type: doc_cleaner sets None.
        return [
            doc
            for doc in docs
            if getattr(doc.tensor, "size", 0) and not (wrote_tensor(doc) or is_own_tensor(doc.tensor))
        ]

    def find_kept(self, docs: Sequence[Doc], *, name: str) -> list[bool]:
        """Decide which Docs keep their tensor.

        docs (Sequence[Doc]): The Docs.
        name (str): The embedder's name, for messages.
        RETURNS (list[bool]): Whether each Doc's tensor must not be replaced.
        RAISES (ElmoError): If another component has written one, and the setting is True.
        """
        if self.may_leave and self._other is not None:
            return [True] * len(docs)
        foreign = [] if self.setting is False else self.find_foreign(docs)
        if not foreign:
            return [False] * len(docs)
        if self.may_leave:
            self._warn_once(name, BEFORE)
            numbers = set(map(id, foreign))
            return [id(doc) in numbers for doc in docs]
        if not self._is_known:
            raise ElmoError(Errors.EL050.format(name=name, other=BEFORE))
        return [False] * len(docs)

    def _warn_once(self, name: str, other: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(Warnings.WL026.format(name=name, other=other), stacklevel=2)


def annotate(
    doc: Doc,
    outputs: LayerOutputs,
    *,
    pooling_layer: str,
    keep: Sequence[str],
    tensor: Floats2d | None = None,
    hashes: Hashes | None = None,
) -> None:
    """Write layers to a Doc.

    doc (Doc): The Doc.
    outputs (LayerOutputs): Its layers.
    pooling_layer (str): The layer that vectors are made from.
    keep (Sequence[str]): The layers for doc._.elmo.
    tensor (Floats2d | None): Becomes doc.tensor; None: that is not changed.
    hashes (Hashes | None): The hashes of the tokens that the layers belong to; None: of the Doc's tokens now.
    """
    if tensor is not None:
        # spaCy declares an array of numpy, and takes one of CuPy as well.
        doc.tensor = cast(NDArray[np.float64], tensor)
        # spaCy has cached vectors of the former tensor.
        doc.vector = doc.vector_norm = None  # type: ignore[assignment]
    doc.user_data[KEY] = {
        "layers": outputs.select(keep), "n_layers": outputs.n_layers, "pooling_layer": pooling_layer,
        "tokens": token_hashes(doc) if hashes is None else hashes,
        "tensor": tensor is not None,
    }  # fmt: skip


def move_to_ops(
    outputs: Sequence[LayerOutputs],
    *,
    tensor: str | None,
    keep: Sequence[str],
    ops: Ops,
    layers_on_gpu: bool,
) -> tuple[list[LayerOutputs], list[Floats2d] | None]:
    """Move layers from the CPU to where they are kept.

    outputs (Sequence[LayerOutputs]): The layers of each Doc.
    tensor (str | None): The layer that becomes doc.tensor, an array of the Ops; None: it is not set.
    keep (Sequence[str]): The layers for doc._.elmo.
    ops (Ops): Makes the arrays.
    layers_on_gpu (bool): Make arrays of the Ops from the layers, too; else they stay arrays of numpy.
    RETURNS (tuple[list[LayerOutputs], list[Floats2d] | None]): The layers, and the tensors.
    """
    tensors: list[Floats2d] | None = None
    if tensor is not None:
        # A copy: other components may write to doc.tensor, and must not change the layers.
        arrays = [getattr(output, tensor) for output in outputs]
        tensors = [ops.asarray2f(array.copy() if tensor in keep else array) for array in arrays]
    if not layers_on_gpu:
        return list(outputs), tensors
    moved = [
        LayerOutputs({name: ops.asarray2f(getattr(output, name)) for name in keep}, n_layers=output.n_layers)
        for output in outputs
    ]
    return moved, tensors
