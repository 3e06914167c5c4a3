"""The options of each style, and how they are checked."""

from collections.abc import Mapping
from operator import index
from typing import Annotated, ClassVar, SupportsIndex, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..errors import ElmoError, Errors, short_repr


def _to_number(value: object) -> object:
    """Convert NumPy's whole numbers, which counts and rows often are. A truth value is none."""
    if isinstance(value, SupportsIndex) and not isinstance(value, bool):
        return index(value)
    return value


# The last one runs first; behind a validator, older versions of pydantic know no `strict`.
Count = Annotated[int, Field(ge=1, strict=True), BeforeValidator(_to_number)]
Row = Annotated[int, Field(ge=0, strict=True), BeforeValidator(_to_number)]
# Labels may be the numbers of clusters.
Label = Annotated[str, BeforeValidator(str)]


class StyleOptions(BaseModel):
    """What styles of texts can be told.

    max_tokens (int): Tokens that are shown at most.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    style: ClassVar[str]

    max_tokens: Count


class LayerOptions(StyleOptions):
    """What styles can be told that show one layer at a time.

    layer (str | None): The layer that is shown first; None: lstm_outputs1 if it is there, else the first one.
    """

    layer: str | None = None


class NeighbourOptions(LayerOptions):
    """Options of the style "neighbours".

    token (int | None): The token that is chosen first, counted over all texts; None: a repeated word.
    k (int): How many neighbours are listed.
    same_sentence (bool | None): Whether neighbours may be of the same sentence; None: only if there is no other.
    """

    style = "neighbours"

    max_tokens: Count = 10_000
    token: Row | None = None
    k: Count = 8
    same_sentence: bool | None = None


class SimilarityOptions(LayerOptions):
    """Options of the style "similarity"; `max_tokens` counts those of each text."""

    style = "similarity"

    max_tokens: Count = 50


class MapOptions(LayerOptions):
    """Options of the style "map".

    word (str | list[str] | None): The word or words whose uses are shown, in upper or lower case; None: all.
    labels (list[str] | str | None): What the marks stand for: a name for each text; an attribute of spaCy's
        tokens, such as "pos_"; "cats" for the best category of each Doc; None: the texts.
    """

    style = "map"

    max_tokens: Count = 1_000
    word: str | list[str] | None = None
    labels: list[Label] | str | None = None


class DriftOptions(StyleOptions):
    """Options of the style "drift".

    measure (str): "relations": how much a token's similarities to all other tokens change, 1 minus their
        correlation; or "cosine": how far its vector turns, 1 minus the cosine.
    """

    style = "drift"

    max_tokens: Count = 1_000
    measure: str = Field(default="relations", pattern="^(relations|cosine)$")


class MixOptions(BaseModel):
    """The style "layers" has no options."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    style: ClassVar[str] = "layers"


O = TypeVar("O", bound=BaseModel)  # noqa: E741


def check_options(kind: type[O], options: Mapping[str, object] | None) -> O:
    """Check the options of a style.

    kind (type[BaseModel]): The options of the style.
    options (Mapping[str, object] | None): What was given; None: nothing.
    RETURNS (BaseModel): The options.
    RAISES (ElmoError): If there is no such option, or a value is not allowed.
    """
    style = getattr(kind, "style")  # noqa: B009
    if options is not None and not isinstance(options, Mapping):
        raise ElmoError(Errors.EL331.format(style=style, got=short_repr(options), allowed=_list_options(kind)))
    try:
        return kind.model_validate(dict(options or {}))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        if first["type"] == "extra_forbidden":
            message = Errors.EL331.format(style=style, got=repr(name), allowed=_list_options(kind))
        else:
            message = Errors.EL332.format(
                style=style, name=name, got=short_repr(first["input"]), reason=first["msg"]
            )
        raise ElmoError(message) from error


def _list_options(kind: type[BaseModel]) -> str:
    return ", ".join(kind.model_fields) or "none"
