"""Saved stages: the weights beside the metadata, on any file system that Spark can write to."""

import os
from collections.abc import Iterator
from pathlib import Path

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ..errors import ElmoError, Errors
from .archive import FILES, ModelArchive, make_archive

# The folder in that of the stage.
_FOLDER = "weights"
# Bytes of a row, and rows of a write: far below the limits of Spark's messages and of Connect's.
_PART, _PARTS = 1 << 22, 8
# Characters of Spark's reason in a message.
_SHOWN = 200
_SCHEMA = "file string, part int, n_parts int, content binary"
_Row = tuple[str, int, int, bytes]


def save_weights(spark: SparkSession, path: str, archive: ModelArchive) -> None:
    """Write the files of a model into the folder of a stage.

    spark (SparkSession): Writes, in its workers; the folder may be in any of its file systems.
    path (str): The folder of the stage.
    archive (ModelArchive): The model.
    """
    rows: list[_Row] = []
    for row in _read_parts(archive.folder):
        rows.append(row)
        if len(rows) == _PARTS:
            _append(spark, path, rows)
            rows = []
    if rows:
        _append(spark, path, rows)


def load_weights(spark: SparkSession, path: str) -> ModelArchive:
    """Read the files of a model from the folder of a stage.

    spark (SparkSession): Reads.
    path (str): The folder of the stage.
    RETURNS (ModelArchive): The model.
    RAISES (ElmoError): If parts are missing.
    """
    try:
        stored = spark.read.parquet(os.path.join(path, _FOLDER))
    except AnalysisException as error:
        reason = str(error).splitlines()[0][:_SHOWN]
        raise ElmoError(Errors.EL855.format(path=path, reason=reason)) from error
    return make_archive(lambda folder: _write_parts(stored, folder, path))


def _read_parts(folder: Path) -> Iterator[_Row]:
    for name in FILES:
        file = folder / name
        n_parts = -(-file.stat().st_size // _PART)
        with file.open("rb") as opened:
            for part in range(n_parts):
                yield name, part, n_parts, opened.read(_PART)


def _append(spark: SparkSession, path: str, rows: list[_Row]) -> None:
    frame = spark.createDataFrame(rows, _SCHEMA).coalesce(1)
    # Zeros and repeats are rare in weights.
    frame.write.mode("append").option("compression", "none").parquet(os.path.join(path, _FOLDER))


def _write_parts(stored: DataFrame, folder: Path, path: str) -> None:
    missing = {name: {0} for name in FILES}
    seen: set[str] = set()
    for row in stored.select("file", "part", "n_parts", F.col("content")).toLocalIterator():
        name = row["file"]
        if name not in missing:
            continue
        if name not in seen:
            seen.add(name)
            missing[name] = set(range(row["n_parts"]))
            (folder / name).touch()
        missing[name].discard(row["part"])
        with (folder / name).open("rb+") as file:
            file.seek(row["part"] * _PART)
            file.write(row["content"])
    for name, parts in missing.items():
        if parts:
            raise ElmoError(Errors.EL855.format(path=path, reason=f"{len(parts)} part(s) of {name} missing"))
