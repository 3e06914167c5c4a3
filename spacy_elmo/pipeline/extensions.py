"""How layers are read from Docs: doc._.elmo, span._.elmo, token._.elmo."""

from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

from spacy.tokens import Doc, Span, Token

from ..errors import ElmoError, Errors

if TYPE_CHECKING:
    from ..bilm.layers import LayerOutputs


def get_doc_layers(doc: Doc) -> "LayerOutputs | None":
    """doc._.elmo: the layers, each (len(doc), width), or None if the embedder has not run.

    RAISES (ElmoError): If they are of other tokens than the Doc's: it was retokenized, or has another's user_data.
    """
    layers: LayerOutputs | None = _get_reader().read_layers(doc)
    return layers


def get_span_layers(span: Span) -> "LayerOutputs | None":
    """span._.elmo: the layers, each (len(span), width), or None. RAISES: as `get_doc_layers`."""
    start, end = span.start, span.end
    layers: LayerOutputs | None = _get_reader().read_rows(span.doc, start, end, slice(start, end))
    return layers


def get_token_layers(token: Token) -> "LayerOutputs | None":
    """token._.elmo: the layers, each (width,), or None. RAISES: as `get_doc_layers`."""
    i = token.i
    layers: LayerOutputs | None = _get_reader().read_rows(token.doc, i, i + 1, i)
    return layers


def set_doc_layers(doc: Doc, value: Any) -> None:
    """doc._.elmo = None removes the layers. RAISES: ValueError for any other value."""
    if value is not None:
        refuse_layers(doc, value)
    _get_reader().clear_layers(doc)


def refuse_layers(container: Doc | Span | Token, value: Any) -> NoReturn:
    """span._.elmo and token._.elmo are part of the Doc's. RAISES: ValueError."""
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


def are_extensions_free() -> bool:
    """Whether nobody has registered extensions of that name."""
    return not any(cls.has_extension("elmo") for cls, _, _ in _EXTENSIONS)


@cache
def _get_reader() -> Any:
    # Extensions are there in every process that makes a pipeline, layers are not.
    from ..models import doc_layers

    return doc_layers
