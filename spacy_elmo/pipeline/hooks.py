"""spaCy's .vector and .similarity on the pooling layer. All functions are module-level, because a Doc is pickled
with its hooks."""

from typing import Any

from spacy.tokens import Doc, Span, Token
from thinc.api import get_array_module

from ..errors import ElmoError, Errors
from ..models.doc_layers import read_record
from ..models.ops_arrays import move_like

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
    return _get_pooling_rows(container) is not None


def pooled_vector(container: Container) -> Any:
    """(width,): the token's row, or the mean over a Doc's or Span's tokens that are not whitespace.

    RAISES (ElmoError): If the Doc was not processed, or retokenized since.
    """
    rows = _get_pooling_rows(container)
    if rows is None:
        raise ElmoError(Errors.EL055.format(what=_describe(container)))
    if isinstance(container, Token):
        return rows[container.i]
    index = [token.i for token in container if not token.is_space]
    return rows[index].mean(axis=0) if index else get_array_module(rows).zeros(rows.shape[1:], dtype=rows.dtype)


def vector_norm(container: Container) -> float:
    """Euclidean length of the vector."""
    return _compute_norm(pooled_vector(container))


def similarity(container: Container, other: Any) -> float:
    """Cosine of the two vectors; 0 where one of them is zero.

    other: a Doc, Span or Token of a processed Doc.
    RAISES (ElmoError): For anything else, and if the vectors are of different widths.
    """
    if not isinstance(other, (Doc, Span, Token)):
        raise ElmoError(Errors.EL055.format(what=_describe(other)))
    one = pooled_vector(container)
    # One of the Docs may have been stored, and come back to the CPU.
    two = move_like(pooled_vector(other), one)
    if one.shape != two.shape:
        raise ElmoError(Errors.EL192.format(width=len(one), other=len(two)))
    norms = _compute_norm(one) * _compute_norm(two)
    return float((one * two).sum()) / norms if norms else 0.0


def _compute_norm(vector: Any) -> float:
    return float((vector * vector).sum() ** 0.5)


def _get_pooling_rows(container: Container) -> Any:
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
