"""Apply a function over Arrow arrays to columns of a Spark data frame, by the best way that its Spark has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

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
        return _map_batches(frame, inputs, function, new)

    if len(inputs) == 1:

        def call(arrays: Iterator[pa.Array]) -> Iterator[pa.Array]:
            return function((array,) for array in arrays)
    else:

        def call(arrays: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:  # type: ignore[misc]
            return function(arrays)

    # Spark moves filters on the result of a deterministic function below it, and then computes it twice.
    udf = arrow_udf(call, new.type).asNondeterministic()
    added = udf(*inputs).alias(new.name, metadata=dict(new.metadata))
    # Other ways to add a column lose its metadata in Spark Connect, or take dots in its name for fields.
    if new.name not in frame.columns:
        return frame.select("*", added)
    return frame.select(*(added if name == new.name else select_column(name) for name in frame.columns))


def _map_batches(frame: DataFrame, inputs: Sequence[Column], function: ArrowFunction, new: NewColumn) -> DataFrame:
    """As `add_column`, by mapInArrow, through which all columns pass."""
    kept = [field for field in frame.schema.fields if field.name != new.name]
    check_types(frame, kept)
    # Under names of our own: Spark takes dots in names for fields here, and names may occur twice.
    fields = [StructField(f"kept{i}", field.dataType, field.nullable) for i, field in enumerate(kept)]
    columns = [select_column(field.name).alias(own.name) for field, own in zip(kept, fields)]
    arguments = [column.alias(f"input{i}") for i, column in enumerate(inputs)]
    output = StructField("output", new.type)
    mapped = frame.select(*columns, *arguments).mapInArrow(
        partial(append_output, function=function, n_kept=len(kept)), StructType([*fields, output])
    )
    # It forgets the metadata of all columns.
    restored = [F.col(own.name).alias(field.name, metadata=field.metadata) for field, own in zip(kept, fields)]
    added = F.col(output.name).alias(new.name, metadata=dict(new.metadata))
    place = (
        [field.name for field in frame.schema.fields].index(new.name) if len(kept) < len(frame.columns) else None
    )
    restored.insert(len(restored) if place is None else place, added)
    return mapped.select(*restored)


def check_types(frame: DataFrame, fields: Sequence[StructField]) -> None:
    """Check that columns can pass through Python.

    frame (DataFrame): The frame.
    fields (Sequence[StructField]): The columns.
    RAISES (ElmoError): If one is of a type that Arrow, or Spark's use of it, does not have.
    """
    for field in fields:
        try:
            to_arrow_type(field.dataType)
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
            part = output.slice(done, len(waiting[0]) if n_kept else len(output))
            names = [f"kept{i}" for i in range(n_kept)]
            kept = waiting[0].slice(0, len(part)).columns if n_kept else []
            yield pa.RecordBatch.from_arrays([*kept, part], names=[*names, "output"])
            done += len(part)
            if n_kept:
                rest = waiting[0].slice(len(part))
                waiting[:1] = [rest] if len(rest) else []
