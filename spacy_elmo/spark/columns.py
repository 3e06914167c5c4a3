"""Apply a function over Arrow arrays to columns of a Spark data frame, by the best way that its Spark has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import pyarrow as pa
from pyspark.errors import PySparkTypeError
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import DataType, StructField, StructType

from ..errors import ElmoError, Errors

# Arrays of the inputs, batch by batch, to arrays of the output. Rows stay in order, but may be cut otherwise.
ArrowFunction = Callable[[Iterator[tuple[pa.Array, ...]]], Iterator[pa.Array]]
Batches = Iterator[pa.RecordBatch]
# From Spark 4.3 on, a timestamp has to have one.
_SETTINGS: dict[str, Any] = {"timezone": "UTC"} if "timezone" in signature(to_arrow_type).parameters else {}


@dataclass(frozen=True, kw_only=True)
class NewColumn:
    """A column to add.

    name (str): Its name; a column that has it already is replaced.
    type (DataType): Its type.
    metadata (Mapping): Its metadata.
    """

    name: str
    type: DataType
    metadata: Mapping[str, object]


def select_column(name: str) -> Column:
    """Select a column by its whole name: dots are no access to fields.

    name (str): The name.
    RETURNS (Column): The column.
    """
    return F.col("`" + name.replace("`", "``") + "`")


def add_column(frame: DataFrame, inputs: Sequence[Column], function: ArrowFunction, new: NewColumn) -> DataFrame:
    """Add a column that a Python function computes. All other columns keep values, types and metadata.

    frame (DataFrame): The frame.
    inputs (Sequence[Column]): What the function gets.
    function (ArrowFunction): The function, which Spark sends to its workers.
    new (NewColumn): The column.
    RETURNS (DataFrame): The frame with the column.
    """
    # From Spark 4.1 on.
    arrow_udf = getattr(F, "arrow_udf", None)
    if arrow_udf is None:
        return _restore(frame, _map_batches(frame, inputs, function, new.type), new)

    if len(inputs) == 1:

        def call(arrays: Iterator[pa.Array]) -> Iterator[pa.Array]:
            return function((array,) for array in arrays)
    else:

        def call(arrays: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:  # type: ignore[misc]
            return function(arrays)

    # Spark moves filters on the result of a deterministic function below it, and then computes it twice.
    udf = arrow_udf(call, new.type).asNondeterministic()
    return _restore(frame, frame.select("*", udf(*inputs)), new)


def find_places(frame: DataFrame, name: str) -> list[int]:
    """Find columns by their name, as Spark does: in upper or lower case, unless it is told to tell them apart.

    frame (DataFrame): The frame.
    name (str): The name.
    RETURNS (list[int]): The places of the columns.
    """
    is_exact = str(frame.sparkSession.conf.get("spark.sql.caseSensitive", "false")).lower() == "true"
    names = frame.columns if is_exact else [column.lower() for column in frame.columns]
    wanted = name if is_exact else name.lower()
    return [place for place, column in enumerate(names) if column == wanted]


def _restore(frame: DataFrame, wide: DataFrame, new: NewColumn) -> DataFrame:
    """Give the columns of a frame, to which one was added, their names and metadata, and the new one its place."""
    # By place, under names of our own: names may occur twice, and Spark takes dots in them for fields.
    own = [f"column{i}" for i in range(len(wide.columns))]
    columns = [
        F.col(name).alias(field.name, metadata=field.metadata) for name, field in zip(own, frame.schema.fields)
    ]
    added = F.col(own[-1]).alias(new.name, metadata=dict(new.metadata))
    replaced = find_places(frame, new.name)
    if replaced:
        columns[replaced[0]] = added
    else:
        columns.append(added)
    kept = [column for place, column in enumerate(columns) if place not in replaced[1:]]
    return wide.toDF(*own).select(*kept)


def _map_batches(frame: DataFrame, inputs: Sequence[Column], function: ArrowFunction, type: DataType) -> DataFrame:
    """Append the output of a function by mapInArrow, through which all columns pass."""
    check_types(frame, frame.schema.fields)
    kept = [StructField(f"kept{i}", field.dataType, field.nullable) for i, field in enumerate(frame.schema.fields)]
    names = [*(field.name for field in kept), *(f"input{i}" for i in range(len(inputs)))]
    return (
        frame.select("*", *inputs)
        .toDF(*names)
        .mapInArrow(
            partial(append_output, function=function, n_kept=len(kept)),
            StructType([*kept, StructField("output", type)]),
        )
    )


def check_types(frame: DataFrame, fields: Sequence[StructField]) -> None:
    """Check that columns can pass through Python.

    frame (DataFrame): The frame.
    fields (Sequence[StructField]): The columns.
    RAISES (ElmoError): If one is of a type that Arrow, or Spark's use of it, does not have.
    """
    for field in fields:
        try:
            to_arrow_type(field.dataType, **_SETTINGS)
        except (TypeError, PySparkTypeError) as error:
            shown = {"column": field.name, "type": field.dataType.simpleString()}
            raise ElmoError(Errors.EL856.format(**shown, version=frame.sparkSession.version)) from error


def append_output(batches: Batches, *, function: ArrowFunction, n_kept: int) -> Batches:
    """Run a function over the last columns of record batches, and put its output in their place.

    batches (Iterator[pa.RecordBatch]): Columns to keep, then the function's inputs.
    function (ArrowFunction): The function.
    n_kept (int): The number of columns to keep.
    YIELDS (pa.RecordBatch): The columns to keep, then the output.
    """
    waiting: list[pa.RecordBatch] = []

    def read() -> Iterator[tuple[pa.Array, ...]]:
        for batch in batches:
            if len(batch):
                waiting.append(batch.select(range(n_kept)))
            yield tuple(batch.columns[n_kept:])

    for output in function(read()):
        done = 0
        while done < len(output):
            # The function may have read ahead, and cuts its output as it likes.
            part = output.slice(done, len(waiting[0]))
            kept = waiting[0].slice(0, len(part))
            yield pa.RecordBatch.from_arrays([*kept.columns, part], names=[*kept.schema.names, "output"])
            done += len(part)
            rest = waiting[0].slice(len(part))
            waiting[:1] = [rest] if len(rest) else []
