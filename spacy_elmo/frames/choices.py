"""What a caller of `predict` chooses: the rows of the frame, and which columns it has."""

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import ElmoError, Errors

# What a row, a vector or a position can stand for, finest first.
Unit = Literal["token", "sentence", "document"]
Pooling = Literal["average", "sum"]
UNITS: tuple[Unit, ...] = get_args(Unit)
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The choices, which fit together.

    level (Unit): What a row stands for.
    positions (bool): Whether there are columns of positions.
    metadata (bool): Whether there are columns of metadata.
    column (str): The name of the column of vectors.
    pooling (Pooling | None): How the vectors of a row's tokens become one; None: they do not.
    """

    level: Unit
    positions: bool
    metadata: bool
    column: str
    pooling: Pooling | None

    @property
    def vector_unit(self) -> Unit:
        """What a vector stands for: a token, or the row whose tokens are pooled."""
        return self.level if self.pooling else "token"

    def name_columns(self) -> list[str]:
        """List the columns that the frame gets.

        RETURNS (list[str]): Their names, first those that do not depend on `column`.
        """
        names: list[str] = [self.level]
        derived = [self.column]
        if self.positions:
            names += [f"{unit}_{edge}" for unit in UNITS for edge in ("begin", "end")]
            derived += [f"{self.column}_{edge}" for edge in ("begin", "end")]
        if self.metadata:
            names += [unit for unit in UNITS if unit != self.level]
            names += ["origin_index", "token_origin_sentence"]
            derived += [
                f"{self.column}_{field}" for field in ("is_OOV", "is_word_start", "origin_sentence", "piece_id")
            ]
        return [*names, *derived]


def check_choices(
    *, output_level: object, positions: bool, metadata: bool, column: object, pooling: object
) -> Choices:
    """Check what a caller has chosen.

    output_level (object): What a row stands for; "" is "token".
    positions (bool): Whether there are columns of positions.
    metadata (bool): Whether there are columns of metadata.
    column (object): The name of the column of vectors.
    pooling (object): "average", "sum", in any case, or None.
    RETURNS (Choices): The choices.
    RAISES (ElmoError): If one of them is not allowed, or they do not fit together.
    """
    level = "token" if output_level == "" else output_level
    if not isinstance(level, str) or level not in UNITS:
        raise ElmoError(Errors.EL803.format(got=output_level, allowed=", ".join(map(repr, UNITS))))
    method = pooling.lower() if isinstance(pooling, str) else pooling
    if method is not None and method not in POOLINGS:
        raise ElmoError(Errors.EL804.format(got=pooling, allowed=", ".join(map(repr, POOLINGS))))
    if method is not None and level == "token":
        raise ElmoError(Errors.EL805.format(got=pooling))
    if not isinstance(column, str) or not column:
        raise ElmoError(
            Errors.EL807.format(got=column, reason="it is empty" if column == "" else "it is not a str")
        )
    choices = Choices(
        level=level,
        positions=bool(positions),
        metadata=bool(metadata),
        # A plain str, if it is of a subclass.
        column=str.__str__(column),
        pooling=method,
    )
    names = choices.name_columns()
    if twice := [name for name in names if names.count(name) > 1]:
        reason = f"the result has another column '{twice[0]}'"
        raise ElmoError(Errors.EL807.format(got=column, reason=reason))
    return choices
