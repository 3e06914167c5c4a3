"""What the embedder leaves on a Doc, and how it is read back: doc._.elmo, span._.elmo, token._.elmo."""

from typing import Any, List, NoReturn, Optional, Sequence, Tuple, Union

from spacy.tokens import Doc, Span, Token
from thinc.api import Ops

from ..bilm.layers import LayerOutputs
from ..errors import Errors
from ..models.doc_layers import KEY, Hashes, clear_layers, read_layers, read_rows, token_hashes


def annotate(
    doc: Doc,
    outputs: LayerOutputs,
    *,
    pooling_layer: str,
    keep: Sequence[str],
    tensor: Optional[Any] = None,
    hashes: Optional[Hashes] = None,
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


def get_doc_layers(doc: Doc) -> Optional[LayerOutputs]:
    """doc._.elmo: the layers, each (len(doc), width), or None if the embedder has not run.

    RAISES: ValueError if they are of other tokens than the Doc's: it was retokenized, or has another's user_data.
    """
    return read_layers(doc)


def get_span_layers(span: Span) -> Optional[LayerOutputs]:
    """span._.elmo: the layers, each (len(span), width), or None. RAISES: as `get_doc_layers`."""
    start, end = span.start, span.end
    return read_rows(span.doc, start, end, slice(start, end))


def get_token_layers(token: Token) -> Optional[LayerOutputs]:
    """token._.elmo: the layers, each (width,), or None. RAISES: as `get_doc_layers`."""
    i = token.i
    return read_rows(token.doc, i, i + 1, i)


def set_doc_layers(doc: Doc, value: Any) -> None:
    """doc._.elmo = None removes the layers. RAISES: ValueError for any other value."""
    if value is not None:
        refuse_layers(doc, value)
    clear_layers(doc)


def refuse_layers(container: Union[Doc, Span, Token], value: Any) -> NoReturn:
    """span._.elmo and token._.elmo are part of the Doc's. RAISES: ValueError."""
    raise ValueError(Errors.EL190.format(cls=type(container).__name__, got=type(value).__name__))


_EXTENSIONS: Tuple[Tuple[Any, Any, Any], ...] = (
    (Doc, get_doc_layers, set_doc_layers),
    (Span, get_span_layers, refuse_layers),
    (Token, get_token_layers, refuse_layers),
)


def install_extensions() -> None:
    """Register the three extensions, wherever they are not there yet. May be called any number of times.

    RAISES: ValueError if somebody else has registered one of that name.
    """
    for cls, getter, setter in _EXTENSIONS:
        if not cls.has_extension("elmo"):
            cls.set_extension("elmo", getter=getter, setter=setter)
        elif getattr(cls.get_extension("elmo")[2], "__module__", None) != __name__:
            raise ValueError(Errors.EL059.format(cls=cls.__name__))


def extensions_are_free() -> bool:
    """Whether nobody has registered extensions of that name."""
    return not any(cls.has_extension("elmo") for cls, _, _ in _EXTENSIONS)
