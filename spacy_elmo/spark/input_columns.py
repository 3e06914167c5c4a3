"""Find the input columns of a stage in a data frame: by name, and by the metadata that says what is in them."""

from collections.abc import Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql.types import StringType, StructField

from ..errors import ElmoError, Errors
from .annotation import ANNOTATOR_TYPE, DOCUMENT, TOKEN, is_annotations
from .columns import find_places, select_column

# What is read of a column of annotations.
_SENTENCE_FIELDS = ("begin", "end", "result", "metadata")
_TOKEN_FIELDS = ("begin", "end", "result")
_SPLIT_FIELDS = ("begin", "result", "metadata")
# Characters of a type in a message.
_SHOWN = 200


class Inputs(NamedTuple):
    """What a stage reads.

    columns (list[Column]): The columns for its function.
    are_texts (bool): Whether these are texts, which have to be split.
    """

    columns: list[Column]
    are_texts: bool


def find_text(frame: DataFrame, name: str, *, stage: str) -> list[Column]:
    """Find a column of texts.

    frame (DataFrame): The frame.
    name (str): The column.
    stage (str): The stage, for messages.
    RETURNS (list[Column]): The column.
    RAISES (ElmoError): If it does not exist, or is of another type.
    """
    field = _find(frame, name, setter="setInputCol")
    if not isinstance(field.dataType, StringType):
        raise _reject(stage, "a column of type string", [field])
    return [select_column(field.name)]


def find_documents(frame: DataFrame, names: Sequence[str], *, stage: str) -> list[Column]:
    """Find a column of document or sentence annotations.

    frame (DataFrame): The frame.
    names (Sequence[str]): The column's name.
    stage (str): The stage, for messages.
    RETURNS (list[Column]): Lists: begin, result and metadata.
    RAISES (ElmoError): If it does not exist, or contains something else.
    """
    fields = [_find(frame, name, setter="setInputCols") for name in names]
    if [_kind(field) for field in fields] != [DOCUMENT]:
        raise _reject(stage, "one column with documents or sentences", fields)
    return _fields(fields[0], _SPLIT_FIELDS)


def find_inputs(frame: DataFrame, names: Sequence[str], *, stage: str) -> Inputs:
    """Find a column of texts, or the columns with the sentences and the tokens.

    frame (DataFrame): The frame.
    names (Sequence[str]): The columns, in any order.
    stage (str): The stage, for messages.
    RETURNS (Inputs): The text, or lists as for `match_tokens`.
    RAISES (ElmoError): If one does not exist, or they contain something else.
    """
    fields = [_find(frame, name, setter="setInputCols") for name in names]
    if len(fields) == 1 and isinstance(fields[0].dataType, StringType):
        return Inputs([select_column(fields[0].name)], are_texts=True)
    by_kind = {_kind(field): field for field in fields}
    if len(fields) != 2 or by_kind.keys() != {DOCUMENT, TOKEN}:
        wanted = "a column of texts, or one with sentences (or documents) and one with tokens"
        raise _reject(stage, wanted, fields)
    columns = [*_fields(by_kind[DOCUMENT], _SENTENCE_FIELDS), *_fields(by_kind[TOKEN], _TOKEN_FIELDS)]
    return Inputs(columns, are_texts=False)


def _find(frame: DataFrame, name: str, *, setter: str) -> StructField:
    places = find_places(frame, name)
    if not places:
        columns = ", ".join(frame.columns)
        raise ElmoError(Errors.EL851.format(column=name, columns=columns, setter=setter))
    return frame.schema[places[0]]


def _kind(field: StructField) -> str | None:
    """RETURNS: what the annotations of a column are; None for other columns."""
    kind = field.metadata.get(ANNOTATOR_TYPE)
    return str(kind) if kind is not None and is_annotations(field.dataType) else None


def _fields(field: StructField, names: Sequence[str]) -> list[Column]:
    # A field of an array of structs is an array; the rest, such as vectors, does not pass through Python.
    return [select_column(field.name).getField(name) for name in names]


def _reject(stage: str, wanted: str, fields: Sequence[StructField]) -> ElmoError:
    got = ", ".join(f"'{field.name}' ({_describe(field)})" for field in fields) or "no column"
    return ElmoError(Errors.EL852.format(stage=stage, wanted=wanted, got=got))


def _describe(field: StructField) -> str:
    if not is_annotations(field.dataType):
        type = field.dataType.simpleString()
        return type if len(type) <= _SHOWN else f"{type[:_SHOWN]}..."
    kind = field.metadata.get(ANNOTATOR_TYPE)
    return "annotations without annotatorType in the metadata" if kind is None else f"annotations of type {kind}"
