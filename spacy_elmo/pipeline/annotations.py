"""The embedder's annotations on a Doc, and who writes doc.tensor."""

import warnings
from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc
from thinc.api import Ops

from ..bilm.layers import LayerOutputs
from ..errors import ElmoError, Errors, Warnings
from ..models.doc_layers import KEY, Hashes, token_hashes, wrote_tensor
from ..models.runs import is_own_tensor
from .pipeline_ref import PipelineRef

BEFORE = "a component before it"


class TensorWriter:
    """setting: True: the embedder writes doc.tensor, and nobody else may; False: it does not; None: unless
    somebody else does. That is seen in the pipeline, where it is known, and on the Docs everywhere."""

    def __init__(self, setting: bool | None):
        self.setting = setting
        self.may_leave = setting is None
        self._other: str | None = None
        self._is_known = False
        self._has_warned = False

    @property
    def writes(self) -> bool:
        """Whether tensors are to be computed."""
        return self.setting is not False and not (self.may_leave and self._other is not None)

    def prepare(self, pipeline: PipelineRef, *, name: str) -> None:
        """RAISES (ElmoError): If another component writes it as well, and the config says that this one does."""
        self._is_known = pipeline.nlp is not None
        # What the Docs tell is newer than an answer that a copy has kept.
        asks = self.setting or (self.may_leave and self._is_known)
        self._other = pipeline.other_writer() if asks else None
        if self._other is not None:
            if self.setting:
                raise ElmoError(Errors.EL050.format(name=name, other=self._other))
            self._warn_once(name, f"'{self._other}'")

    def find_foreign(self, docs: Sequence[Doc]) -> list[Doc]:
        """Those that have a tensor that no embedder has written."""
        # Anybody may have put anything there; doc_cleaner puts None.
        return [
            doc
            for doc in docs
            if getattr(doc.tensor, "size", 0) and not (wrote_tensor(doc) or is_own_tensor(doc.tensor))
        ]

    def find_kept(self, docs: Sequence[Doc], *, name: str) -> list[bool]:
        """Which Docs' tensors are to stay as they are.

        RAISES (ElmoError): If one is somebody else's, and the config says that it is the embedder's.
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
    tensor: Any | None = None,
    hashes: Hashes | None = None,
) -> None:
    """Write a Doc's layers to it.

    keep: layers for doc._.elmo. tensor: to become doc.tensor; None: it stays as it is. hashes: of the tokens that
        the layers are of; None: of the Doc's.
    """
    if tensor is not None:
        doc.tensor = tensor
        # spaCy keeps the mean of what was there when it was asked last.
        doc.vector = doc.vector_norm = None  # type: ignore[assignment]
    doc.user_data[KEY] = {
        "layers": outputs.chosen(keep), "n_layers": outputs.n_layers, "pooling_layer": pooling_layer,
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
) -> tuple[list[LayerOutputs], list[Any] | None]:
    """Layers that came to the CPU, as they are left on Docs.

    tensor: the layer that becomes doc.tensor, an array of `ops`; None: it is not set. keep: layers for doc._.elmo;
        numpy arrays, or arrays of `ops` if layers_on_gpu.
    RETURNS: the layers and the tensors.
    """
    tensors: list[Any] | None = None
    if tensor is not None:
        # doc.tensor is everybody's: what is done to it must not reach the layers.
        arrays = [getattr(output, tensor) for output in outputs]
        tensors = [ops.asarray2f(array.copy() if tensor in keep else array) for array in arrays]
    if not layers_on_gpu:
        return list(outputs), tensors
    moved = [
        LayerOutputs({name: ops.asarray2f(getattr(output, name)) for name in keep}, n_layers=output.n_layers)
        for output in outputs
    ]
    return moved, tensors
