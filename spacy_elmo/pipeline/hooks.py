"""How layers are read from Docs: doc._.elmo and its likes, and spaCy's .vector and .similarity.

All functions are module-level, because a Doc is pickled with them.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from spacy.tokens import Doc, Span, Token
from thinc.api import get_array_module

from ..errors import ElmoError, Errors
from ..models.doc_layers import read_record
from ..models.ops_arrays import as_like

if TYPE_CHECKING:
    from ..bilm.layers import LayerOutputs


def get_doc_layers(doc: Doc) -> "LayerOutputs | None":
    """doc._.elmo: the layers, each (len(doc), width), or None if the embedder has not run.

    RAISES (ElmoError): If they are of other tokens than the Doc's: it was retokenized, or has another's user_data.
    """
    layers: LayerOutputs | None = _reading().read_layers(doc)
    return layers


def get_span_layers(span: Span) -> "LayerOutputs | None":
    """span._.elmo: the layers, each (len(span), width), or None. RAISES: as `get_doc_layers`."""
    start, end = span.start, span.end
    layers: LayerOutputs | None = _reading().read_rows(span.doc, start, end, slice(start, end))
    return layers


def get_token_layers(token: Token) -> "LayerOutputs | None":
    """token._.elmo: the layers, each (width,), or None. RAISES: as `get_doc_layers`."""
    i = token.i
    layers: LayerOutputs | None = _reading().read_rows(token.doc, i, i + 1, i)
    return layers


def set_doc_layers(doc: Doc, value: Any) -> None:
    """doc._.elmo = None removes the layers.

    RAISES (ElmoError): For any other value.
    """
    if value is not None:
        refuse_layers(doc, value)
    _reading().clear_layers(doc)


def refuse_layers(container: Doc | Span | Token, value: Any) -> NoReturn:
    """span._.elmo and token._.elmo are part of the Doc's.

    RAISES (ElmoError).
    """
    raise ElmoError(Errors.EL190.format(cls=type(container).__name__, got=type(value).__name__))


_EXTENSIONS: tuple[tuple[Any, Any, Any], ...] = (
    (Doc, get_doc_layers, set_doc_layers),
    (Span, get_span_layers, refuse_layers),
    (Token, get_token_layers, refuse_layers),
)


def install_extensions() -> None:
    """Register the three extensions, wherever they are not there yet. May be called any number of times.

    RAISES (ElmoError): If somebody else has registered one of that name.
    """
    for cls, getter, setter in _EXTENSIONS:
        if not cls.has_extension("elmo"):
            cls.set_extension("elmo", getter=getter, setter=setter)
        elif getattr(cls.get_extension("elmo")[2], "__module__", None) != __name__:
            raise ElmoError(Errors.EL059.format(cls=cls.__name__))


def extensions_are_free() -> bool:
    """Whether nobody has registered extensions of that name."""
    return not any(cls.has_extension("elmo") for cls, _, _ in _EXTENSIONS)


@cache
def _reading() -> Any:
    # Extensions are there in every process that makes a pipeline, layers are not.
    from ..models import doc_layers

    return doc_layers


Container = Doc | Span | Token


def install_hooks(doc: Doc) -> Doc:
    """Make token.vector, span.vector, doc.vector and .similarity() of a processed Doc use its pooling layer.

    The component does this itself with `vectors = true`. Serialising a Doc loses its hooks, which is when
    this puts them back.
    """
    doc.user_hooks.update(
        vector=pooled_vector, vector_norm=vector_norm, has_vector=has_vector, similarity=similarity
    )
    doc.user_token_hooks.update(
        vector=pooled_vector, vector_norm=vector_norm, has_vector=has_vector, similarity=similarity
    )
    # No vector_norm for spans: spaCy 3.8 would return the vector in its place. Its own norm uses our vector.
    doc.user_span_hooks.update(vector=pooled_vector, has_vector=has_vector, similarity=similarity)
    return doc


def has_vector(container: Container) -> bool:
    """Whether the embedder processed the Doc.

    RAISES (ElmoError): If it was retokenized since.
    """
    return _pooling_rows(container) is not None


def pooled_vector(container: Container) -> Any:
    """(width,): the token's row, or the mean over a Doc's or Span's tokens that are not whitespace.

    RAISES (ElmoError): If the Doc was not processed, or retokenized since.
    """
    rows = _pooling_rows(container)
    if rows is None:
        raise ElmoError(Errors.EL055.format(what=_describe(container)))
    if isinstance(container, Token):
        return rows[container.i]
    index = [token.i for token in container if not token.is_space]
    return rows[index].mean(axis=0) if index else get_array_module(rows).zeros(rows.shape[1:], dtype=rows.dtype)


def vector_norm(container: Container) -> float:
    """Euclidean length of the vector."""
    return _norm(pooled_vector(container))


def similarity(container: Container, other: Any) -> float:
    """Cosine of the two vectors; 0 where one of them is zero.

    other: a Doc, Span or Token of a processed Doc.
    RAISES (ElmoError): For anything else, and if the vectors are of different widths.
    """
    if not isinstance(other, (Doc, Span, Token)):
        raise ElmoError(Errors.EL055.format(what=_describe(other)))
    one = pooled_vector(container)
    # One of the Docs may have been stored, and come back to the CPU.
    two = as_like(pooled_vector(other), one)
    if one.shape != two.shape:
        raise ElmoError(Errors.EL192.format(width=len(one), other=len(two)))
    norms = _norm(one) * _norm(two)
    return float((one * two).sum()) / norms if norms else 0.0


def _norm(vector: Any) -> float:
    return float((vector * vector).sum() ** 0.5)


def _pooling_rows(container: Container) -> Any:
    """(len(doc), width) of the pooling layer: of doc._.elmo if it was kept there, else of doc.tensor, which is
    all that a Span.as_doc() takes along; None if there is neither."""
    if isinstance(container, Doc):
        doc, start, end = container, 0, len(container)
    elif isinstance(container, Span):
        doc, start, end = container.doc, container.start, container.end
    else:
        doc, start, end = container.doc, container.i, container.i + 1
    record = read_record(doc, start, end)
    if record is not None and record["pooling_layer"] in record["layers"]:
        return record["layers"][record["pooling_layer"]]
    # Anybody may have put anything there.
    tensor: Any = doc.tensor
    shape: Any = getattr(tensor, "shape", ())
    return tensor if len(shape) == 2 and shape[0] == len(doc) else None


def _describe(what: Any) -> str:
    text = str(getattr(what, "text", what))
    return f"{type(what).__name__} {text[:40]!r}"
