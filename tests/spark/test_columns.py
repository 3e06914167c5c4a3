"""Functions over Arrow arrays, applied to the columns of data frames by both of Spark's ways."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from tests.extras import is_installed

if is_installed("pyspark"):
    from pyspark.sql import functions as F
    from pyspark.sql.types import IntegerType

    from spacy_elmo.spark.columns import NewColumn, add_column, append_output, select_column

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.needs("pyspark")


@pytest.fixture(params=["arrow_udf", "mapInArrow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "mapInArrow":
        monkeypatch.delattr(F, "arrow_udf", raising=False)
    elif not hasattr(F, "arrow_udf"):
        pytest.skip("arrow_udf is not in this version of Spark")
    return str(request.param)


def double(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
    """Reads all batches first, and cuts its output otherwise."""
    values = [2 * value for (numbers, *_) in batches for value in numbers.to_pylist()]
    return (pa.array(values[i : i + 3], pa.int32()) for i in range(0, len(values), 3))


def add(frame: "DataFrame", name: str = "new", column: str = "n") -> "DataFrame":
    new = NewColumn(name=name, type=IntegerType(), metadata={"key": "value", "number": 1})
    return add_column(frame, [select_column(column)], double, new)


def test_other_columns_are_kept(spark: "SparkSession", way: str) -> None:
    """Names with dots and backticks, names that occur twice, nested types, metadata, and the order of rows."""
    frame = spark.range(0, 10, 1, 3).select(
        F.col("id").cast("int").alias("n"),
        F.concat(F.lit("text "), F.col("id")).alias("a.b`c", metadata={"annotatorType": "token"}),
        F.array(F.struct(F.col("id").alias("x"))).alias("nested"),
        F.current_timestamp().alias("time"),
    )
    result = add(frame, "new.column")
    assert result.columns == [*frame.columns, "new.column"]
    assert [field.dataType for field in result.schema.fields[:-1]] == [field.dataType for field in frame.schema]
    assert result.schema["a.b`c"].metadata == {"annotatorType": "token"}
    assert result.schema["new.column"].metadata == {"key": "value", "number": 1}
    rows = result.collect()
    assert [(row["n"], row["a.b`c"], row["nested"][0]["x"], row["new.column"]) for row in rows] == [
        (n, f"text {n}", n, 2 * n) for n in range(10)
    ]


def test_column_is_replaced(spark: "SparkSession", way: str) -> None:
    """In its place, also if it is the only one."""
    frame = spark.range(3).select(F.col("id").cast("int").alias("n"), F.lit(1).alias("m"))
    assert [tuple(row) for row in add(frame, "n").collect()] == [(0, 1), (2, 1), (4, 1)]
    assert [tuple(row) for row in add(frame.select("n"), "n").collect()] == [(0,), (2,), (4,)]


def test_names_that_spark_takes_for_one(spark: "SparkSession", way: str) -> None:
    """A column of the same name in other case is replaced; names that occur twice stay, as after a join."""
    frame = spark.range(3).select(F.col("id").cast("int").alias("n"), F.lit(1).alias("m"))
    result = add(frame, "M")
    assert result.columns == ["n", "M"]
    assert [row["m"] for row in result.select("m").collect()] == [0, 2, 4]
    twice = frame.select("n", F.lit("a").alias("x"), F.lit("b").alias("x"))
    assert [tuple(row) for row in add(twice).collect()] == [(0, "a", "b", 0), (1, "a", "b", 2), (2, "a", "b", 4)]
    assert [tuple(row) for row in add(twice, "x").collect()] == [(0, 0), (1, 2), (2, 4)]


def test_empty_frame(spark: "SparkSession", way: str) -> None:
    assert add(spark.createDataFrame([], "n int")).collect() == []


def test_filter_on_the_result(spark: "SparkSession", way: str) -> None:
    """The function runs once for each row: Spark does not move the filter below it."""
    result = add(spark.range(4).select(F.col("id").cast("int").alias("n"))).filter("new > 2")
    assert [row["new"] for row in result.collect()] == [4, 6]
    plan = result._jdf.queryExecution().executedPlan().toString()
    assert plan.count("EvalPython [") + plan.count("MapInArrow ") == 1


def test_type_without_arrow(spark: "SparkSession", way: str) -> None:
    """mapInArrow takes all columns through Python, arrow_udf only its own."""
    frame = spark.range(2).select(F.col("id").cast("int").alias("n"), F.expr("interval 1 year").alias("time"))
    if way == "arrow_udf":
        assert [row["new"] for row in add(frame).select("new").collect()] == [0, 2]
    else:
        with pytest.raises(ValueError, match=r"EL856.*'time' is of type interval year.*Drop it"):
            add(frame)


def test_small_batches(spark: "SparkSession", way: str) -> None:
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name)
    spark.conf.set(name, "2")
    try:
        result = add(spark.range(0, 11, 1, 2).select(F.col("id").cast("int").alias("n"))).collect()
    finally:
        spark.conf.set(name, str(before))
    assert [(row["n"], row["new"]) for row in result] == [(n, 2 * n) for n in range(11)]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_output_is_cut_to_the_rows(size: int) -> None:
    """Of mapInArrow, without Spark: batches of any length, empty ones among them."""

    def cut(batches: Iterator[tuple[pa.Array, ...]]) -> Iterator[pa.Array]:
        values = [value for (numbers,) in batches for value in numbers.to_pylist()]
        yield pa.array([], pa.int64())
        yield from (pa.array(values[i : i + size]) for i in range(0, len(values), size))

    def batch(*numbers: int) -> pa.RecordBatch:
        array: Any = pa.array(numbers, pa.int64())
        return pa.RecordBatch.from_arrays([array, array], names=["kept0", "input0"])

    function = partial(append_output, function=cut, n_kept=1)
    rows = [
        row for one in function(iter([batch(0, 1, 2), batch(), batch(3), batch(4, 5)])) for row in one.to_pylist()
    ]
    assert rows == [{"kept0": n, "output": n} for n in range(6)]
