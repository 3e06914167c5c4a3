"""What the embedder leaves on a Doc."""

from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc
from thinc.api import Ops

from ..bilm.layers import LayerOutputs
from ..models.doc_layers import KEY, Hashes, token_hashes


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


def on_ops(
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
