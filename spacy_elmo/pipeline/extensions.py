"""The extensions doc._.elmo, span._.elmo and token._.elmo, which read the layers on a Doc."""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from spacy.tokens import Doc, Span, Token

from ..errors import ElmoError, Errors

if TYPE_CHECKING:
    from ..bilm.layers import LayerOutputs


def get_doc_layers(doc: Doc) -> "LayerOutputs | None":
    """Get doc._.elmo.

    doc (Doc): A Doc.
    RETURNS (LayerOutputs | None): The layers, (len(doc), width) each; None if the embedder has not run.
    RAISES (ElmoError): If they belong to other tokens: the Doc was retokenized, or has another Doc's user_data.
    """
    layers: LayerOutputs | None = _get_reader().read_layers(doc)
    return layers


def get_span_layers(span: Span) -> "LayerOutputs | None":
    """Get span._.elmo.

    span (Span): A Span.
    RETURNS (LayerOutputs | None): The layers, (len(span), width) each; None if the embedder has not run.
    RAISES (ElmoError): As `get_doc_layers`.
    """
    start, end = span.start, span.end
    layers: LayerOutputs | None = _get_reader().read_rows(span.doc, start, end, slice(start, end))
    return layers


def get_token_layers(token: Token) -> "LayerOutputs | None":
    """Get token._.elmo.

    token (Token): A Token.
    RETURNS (LayerOutputs | None): The layers, (width,) each; None if the embedder has not run.
    RAISES (ElmoError): As `get_doc_layers`.
    """
    i = token.i
    layers: LayerOutputs | None = _get_reader().read_rows(token.doc, i, i + 1, i)
    return layers


def set_doc_layers(doc: Doc, value: object) -> None:
    """Set doc._.elmo to None, which removes the layers.

    doc (Doc): A Doc.
    value (object): None.
    RAISES (ElmoError): If it is not None.
    """
    if value is not None:
        refuse_layers(doc, value)
    _get_reader().clear_layers(doc)


def refuse_layers(container: Doc | Span | Token, value: object) -> NoReturn:
    """Refuse to set layers: those of a Span or Token are part of the Doc's.

    container (Doc | Span | Token): What they were set on.
    value (object): The value.
    RAISES (ElmoError): Always.
    """
    raise ElmoError(Errors.EL190.format(cls=type(container).__name__, got=type(value).__name__))


_EXTENSIONS: tuple[tuple[type[Doc | Span | Token], Callable[..., object], Callable[..., None]], ...] = (
    (Doc, get_doc_layers, set_doc_layers),
    (Span, get_span_layers, refuse_layers),
    (Token, get_token_layers, refuse_layers),
)


def install_extensions() -> None:
    """Register the three extensions, if they are not registered yet.

    RAISES (ElmoError): If other code has registered an extension of that name.
    """
    for cls, getter, setter in _EXTENSIONS:
        if not cls.has_extension("elmo"):
            cls.set_extension("elmo", getter=getter, setter=setter)
        elif getattr(cls.get_extension("elmo")[2], "__module__", None) != __name__:
            raise ElmoError(Errors.EL059.format(cls=cls.__name__))


def are_extensions_free() -> bool:
    """Check that no extension of that name is registered.

    RETURNS (bool): Whether the name is free for Docs, Spans and Tokens.
    """
    return not any(cls.has_extension("elmo") for cls, _, _ in _EXTENSIONS)


@cache
def _get_reader() -> ModuleType:
    # Imported on first use: every process that makes a pipeline registers the extensions, but few read layers.
    from ..models import doc_layers

    return doc_layers
