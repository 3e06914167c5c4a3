"""Parquet files of layers, read by Spark with its default settings."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.tables.table_file import write_table_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.needs("pyspark")


def test_same_bits(spark: "SparkSession", elmo: Elmo, sentences: list[list[str]], tmp_path: Path) -> None:
    """In several row groups, which Spark may read in any order."""
    table = elmo.to_arrow([*sentences, [], ["😀"]])
    path = tmp_path / "layers.parquet"
    with write_table_file(path, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=50):
            writer.write_batch(batch)
    rows = spark.read.parquet(str(path)).orderBy("sentence", "token").collect()
    assert len(rows) == len(table) > 250
    for name in ("sentence", "token", "text"):
        assert [row[name] for row in rows] == table[name].to_pylist()
    for name in elmo.layer_names:
        found = np.array([row[name] for row in rows], dtype=np.float32)
        expected = table[name].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
        np.testing.assert_array_equal(found, expected)
