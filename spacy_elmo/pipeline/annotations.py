"""What the embedder leaves on a Doc, and how it is read back: doc._.elmo, span._.elmo, token._.elmo."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span, Token
from thinc.api import Ops

from ..bilm.layers import LayerOutputs
from ..errors import Errors

# The slot that spaCy would use for an extension of this name: `Doc.from_docs` then says which data it drops.
# Only arrays, strings and numbers are stored: they pass through msgpack, and decode without this package.
KEY: Any = ("._.", "elmo", None, None)


def annotate(
    doc: Doc, outputs: LayerOutputs, *, pooling_layer: str, keep: Sequence[str], tensor: Optional[Any] = None
) -> None:
    """Write a Doc's layers to it.

    keep: layers for doc._.elmo. tensor: to become doc.tensor; None: it stays as it is.
    """
    if tensor is not None:
        doc.tensor = tensor
    doc.user_data[KEY] = {
        "layers": outputs.chosen(keep), "n_layers": outputs.n_layers, "pooling_layer": pooling_layer,
        "tensor": tensor is not None,
    }  # fmt: skip


def on_ops(
    outputs: Sequence[LayerOutputs],
    *,
    tensor: Optional[str],
    keep: Sequence[str],
    ops: Ops,
    layers_on_gpu: bool,
) -> Tuple[List[LayerOutputs], Optional[List[Any]]]:
    """Layers that came to the CPU, as they are left on Docs.

    tensor: the layer that becomes doc.tensor, an array of `ops`; None: it is not set. keep: layers for doc._.elmo;
        numpy arrays, or arrays of `ops` if layers_on_gpu.
    RETURNS: the layers and the tensors.
    """
    tensors: Optional[List[Any]] = None
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


def stored(doc: Doc) -> Optional[Dict[str, Any]]:
    """What `annotate` has left in doc.user_data, or None."""
    data: Optional[Dict[str, Any]] = doc.user_data.get(KEY)
    return data


def get_doc_layers(doc: Doc) -> Optional[LayerOutputs]:
    """doc._.elmo: the layers, each (len(doc), width), or None if the embedder has not run.

    RAISES: ValueError if the Doc has another number of tokens than then, because it was retokenized.
    """
    data = stored(doc)
    if data is None:
        return None
    for array in data["layers"].values():
        if array.shape[0] != len(doc):
            raise ValueError(Errors.EL053.format(rows=array.shape[0], tokens=len(doc)))
    return LayerOutputs(data["layers"], n_layers=data["n_layers"])


def get_span_layers(span: Span) -> Optional[LayerOutputs]:
    """span._.elmo: the layers, each (len(span), width), or None."""
    layers = get_doc_layers(span.doc)
    return None if layers is None else layers[span.start : span.end]


def get_token_layers(token: Token) -> Optional[LayerOutputs]:
    """token._.elmo: the layers, each (width,), or None."""
    layers = get_doc_layers(token.doc)
    return None if layers is None else layers[token.i]


_GETTERS: Tuple[Tuple[Any, Any], ...] = (
    (Doc, get_doc_layers), (Span, get_span_layers), (Token, get_token_layers)
)  # fmt: skip


def install_extensions() -> None:
    """Register the three extensions, wherever they are not there yet. May be called any number of times.

    RAISES: ValueError if somebody else has registered one of that name.
    """
    for cls, getter in _GETTERS:
        if not cls.has_extension("elmo"):
            cls.set_extension("elmo", getter=getter)
        elif getattr(cls.get_extension("elmo")[2], "__module__", None) != __name__:
            raise ValueError(Errors.EL059.format(cls=cls.__name__))


def extensions_are_free() -> bool:
    """Whether nobody has registered extensions of that name."""
    return not any(cls.has_extension("elmo") for cls, _ in _GETTERS)
