"""Hooks for .vector and .similarity that use the pooling layer. They are functions of the module, because a Doc is
pickled with its hooks."""

from typing import cast

from spacy.tokens import Doc, Span, Token
from thinc.api import get_array_module
from thinc.types import Floats1d, Floats2d

from ..errors import ElmoError, Errors
from ..models.doc_layers import read_record
from ..models.ops_arrays import move_like

Container = Doc | Span | Token


def install_hooks(doc: Doc) -> Doc:
    """Make token.vector, span.vector, doc.vector and .similarity() of a processed Doc use its pooling layer.

    The component does this itself with `vectors = true`. A Doc loses its hooks when it is serialised: then this
    function restores them.

    doc (Doc): A Doc that the embedder has processed.
    RETURNS (Doc): The Doc itself.
    """
    doc.user_hooks.update(
        vector=pooled_vector, vector_norm=vector_norm, has_vector=has_vector, similarity=similarity
    )
    doc.user_token_hooks.update(
        vector=pooled_vector, vector_norm=vector_norm, has_vector=has_vector, similarity=similarity
    )
    # No vector_norm for spans: spaCy 3.8 would return the vector instead. Its default norm uses our vector.
    doc.user_span_hooks.update(vector=pooled_vector, has_vector=has_vector, similarity=similarity)
    return doc


def has_vector(container: Container) -> bool:
    """Check whether the embedder has processed the Doc.

    container (Doc | Span | Token): A part of a processed Doc.
    RETURNS (bool): Whether it has a vector.
    RAISES (ElmoError): If the Doc was retokenized since.
    """
    return _get_pooling_rows(container) is not None


def pooled_vector(container: Container) -> Floats1d:
    """Compute the vector: a token's row, or the mean over the tokens of a Doc or Span that are not whitespace.

    container (Doc | Span | Token): A part of a processed Doc.
    RETURNS (Floats1d): (width,).
    RAISES (ElmoError): If the Doc was not processed, or retokenized since.
    """
    rows = _get_pooling_rows(container)
    if rows is None:
        raise ElmoError(Errors.EL055.format(what=_describe(container)))
    if isinstance(container, Token):
        return rows[container.i]
    index = [token.i for token in container if not token.is_space]
    if not index:
        return cast(Floats1d, get_array_module(rows).zeros(rows.shape[1:], dtype=rows.dtype))
    return rows[index].mean(axis=0)


def vector_norm(container: Container) -> float:
    """Compute the Euclidean length of the vector.

    container (Doc | Span | Token): A part of a processed Doc.
    RETURNS (float): The length.
    RAISES (ElmoError): As `pooled_vector`.
    """
    return _compute_norm(pooled_vector(container))


def similarity(container: Container, other: object) -> float:
    """Compute the cosine of two vectors.

    container (Doc | Span | Token): A part of a processed Doc.
    other (object): A Doc, Span or Token of a processed Doc.
    RETURNS (float): The cosine; 0 if one of the vectors is zero.
    RAISES (ElmoError): If the other is something else, or the vectors have different widths.
    """
    if not isinstance(other, (Doc, Span, Token)):
        raise ElmoError(Errors.EL055.format(what=_describe(other)))
    one = pooled_vector(container)
    # One of the Docs may have been stored, and come back on the CPU.
    two = move_like(pooled_vector(other), one)
    if one.shape != two.shape:
        raise ElmoError(Errors.EL192.format(width=len(one), other=len(two)))
    norms = _compute_norm(one) * _compute_norm(two)
    return float((one * two).sum(keepdims=False)) / norms if norms else 0.0


def _compute_norm(vector: Floats1d) -> float:
    return float((vector * vector).sum(keepdims=False) ** 0.5)


def _get_pooling_rows(container: Container) -> Floats2d | None:
    """Get the pooling layer, (len(doc), width): from doc._.elmo if it is kept there, else from doc.tensor,
    which is all that Span.as_doc() copies; None if there is neither."""
    if isinstance(container, Doc):
        doc, start, end = container, 0, len(container)
    elif isinstance(container, Span):
        doc, start, end = container.doc, container.start, container.end
    else:
        doc, start, end = container.doc, container.i, container.i + 1
    record = read_record(doc, start, end)
    if record is not None and record["pooling_layer"] in record["layers"]:
        return record["layers"][record["pooling_layer"]]
    # A tensor may be of any type.
    shape: tuple[int, ...] = getattr(doc.tensor, "shape", ())
    return cast(Floats2d, doc.tensor) if len(shape) == 2 and shape[0] == len(doc) else None


def _describe(what: object) -> str:
    text = str(getattr(what, "text", what))
    return f"{type(what).__name__} {text[:40]!r}"
