"""spaCy's .vector and .similarity on the pooling layer. All functions are module-level, because a Doc is pickled
with its hooks."""

from typing import Any, Union

from spacy.tokens import Doc, Span, Token
from thinc.api import get_array_module

from ..errors import Errors
from .annotations import get_doc_layers, stored

Container = Union[Doc, Span, Token]


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
    """Whether the embedder processed the Doc."""
    return _pooling_rows(_doc(container)) is not None


def pooled_vector(container: Container) -> Any:
    """(width,): the token's row, or the mean over a Doc's or Span's tokens that are not whitespace.

    RAISES: ValueError if the Doc was not processed, or retokenized since.
    """
    doc = _doc(container)
    rows = _pooling_rows(doc)
    if rows is None:
        raise ValueError(Errors.EL055.format(what=_name(container)))
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
    RAISES: ValueError for anything else.
    """
    if not isinstance(other, (Doc, Span, Token)) or not has_vector(other):
        raise ValueError(Errors.EL055.format(what=_name(other)))
    one, two = pooled_vector(container), pooled_vector(other)
    norms = _norm(one) * _norm(two)
    return float((one * two).sum()) / norms if norms else 0.0


def _norm(vector: Any) -> float:
    return float((vector * vector).sum() ** 0.5)


def _doc(container: Container) -> Doc:
    return container if isinstance(container, Doc) else container.doc


def _pooling_rows(doc: Doc) -> Any:
    """(len(doc), width) of the pooling layer: of doc._.elmo if it was kept there, else of doc.tensor, which is
    all that a Span.as_doc() takes along; None if there is neither."""
    layers = get_doc_layers(doc)
    name = (stored(doc) or {}).get("pooling_layer")
    if layers is not None and name in layers.names:
        return getattr(layers, name)
    tensor = doc.tensor
    return tensor if tensor.ndim == 2 and tensor.shape[0] == len(doc) else None


def _name(what: Any) -> str:
    return f"{type(what).__name__} {str(what)[:40]!r}"
