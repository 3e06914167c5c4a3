"""Saved stages: the weights beside the metadata, on any file system that Spark can write to."""

import os
from collections.abc import Iterator
from pathlib import Path

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ..errors import ElmoError, Errors
from ..util.batching import windows
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
    for rows in windows(_read_parts(archive.folder), size=lambda row: 1, budget=_PARTS):
        frame = spark.createDataFrame(rows, _SCHEMA).coalesce(1)
        # Zeros and repeats are rare in weights.
        frame.write.mode("append").option("compression", "none").parquet(os.path.join(path, _FOLDER))


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
        raise ElmoError(Errors.EL855.format(path=path, reason=shorten_reason(error))) from error
    return make_archive(lambda folder: _write_parts(stored, folder, path))


def shorten_reason(error: AnalysisException) -> str:
    """Shorten an error of Spark for a message.

    error (AnalysisException): The error, whose text may have many lines.
    RETURNS (str): The start of its first line.
    """
    return str(error).splitlines()[0][:_SHOWN]


def _read_parts(folder: Path) -> Iterator[_Row]:
    for name in FILES:
        file = folder / name
        n_parts = -(-file.stat().st_size // _PART)
        with file.open("rb") as opened:
            for part in range(n_parts):
                yield name, part, n_parts, opened.read(_PART)


def _write_parts(stored: DataFrame, folder: Path, path: str) -> None:
    for name in FILES:
        missing: set[int] | None = None
        with (folder / name).open("wb") as file:
            # Parts come in any order.
            for row in stored.filter(F.col("file") == name).toLocalIterator():
                missing = set(range(row["n_parts"])) if missing is None else missing
                missing.discard(row["part"])
                file.seek(row["part"] * _PART)
                file.write(row["content"])
        if missing is None or missing:
            reason = f"{len(missing or {0})} part(s) of {name} missing"
            raise ElmoError(Errors.EL855.format(path=path, reason=reason))
