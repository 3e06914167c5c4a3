"""Parquet and Arrow files: complete or absent, and the same bits for every reader."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from spacy_elmo.tables.record_batches import make_batches
from spacy_elmo.tables.table_file import write_table_file
from tests.platforms import resources
from tests.tables.test_record_batches import SCHEMA, WIDTHS, make_rows, read_vectors

LENGTHS = [3, 0, 12, 1, 5]
NAMES = ["a.parquet", "a.arrow", "a.feather", "a.PARQUET"]
_FULL = """
import resource, sys
from pathlib import Path
from spacy_elmo.tables.record_batches import make_batches
from spacy_elmo.tables.table_file import write_table_file
from tests.tables.test_record_batches import SCHEMA, make_rows
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
done = 0
try:
    with write_table_file(Path(sys.argv[1]), SCHEMA) as writer:
        for batch in make_batches(make_rows([100] * 1000), SCHEMA, n_rows=1000):
            writer.write_batch(batch)
            done += 1
except OSError as error:
    print(done, error)
"""


def write(path: Path) -> dict[str, np.ndarray]:
    """Write some sentences. RETURNS: the vectors."""
    rows = make_rows(LENGTHS)
    with write_table_file(path, SCHEMA) as writer:
        for batch in make_batches(rows, SCHEMA, n_rows=8):
            writer.write_batch(batch)
        assert not path.exists()
    assert os.listdir(path.parent) == [path.name]
    return {name: np.concatenate([sentence.vectors[name] for sentence in rows]) for name in WIDTHS}


@pytest.mark.parametrize("name", NAMES)
def test_pyarrow(tmp_path: Path, name: str) -> None:
    expected = write(tmp_path / name)
    is_parquet = name.lower().endswith("parquet")
    table = parquet.read_table(tmp_path / name) if is_parquet else feather.read_table(tmp_path / name)
    assert table.schema.equals(SCHEMA)
    assert table.schema.metadata == SCHEMA.metadata
    for column, array in expected.items():
        np.testing.assert_array_equal(read_vectors(table, column), array)


def test_batches_of_a_file(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    groups = [file.metadata.row_group(k) for k in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [8, 8, 5]
    for k in range(groups[0].num_columns):
        column = groups[0].column(k)
        is_vector = "list" in column.path_in_schema
        # What readers of their default settings know.
        assert column.compression == "ZSTD"
        assert "BYTE_STREAM_SPLIT" not in column.encodings
        assert ("RLE_DICTIONARY" in column.encodings) == (not is_vector)
        assert column.is_stats_set == (not is_vector)


def test_arrow_is_mapped_into_memory(tmp_path: Path) -> None:
    expected = write(tmp_path / "a.arrow")
    before = pa.total_allocated_bytes()
    with pa.memory_map(str(tmp_path / "a.arrow")) as source:
        batch = ipc.open_file(source).get_batch(0)
        array = batch["word_emb"].flatten().to_numpy(zero_copy_only=True).reshape(-1, 4)
        assert pa.total_allocated_bytes() == before
        np.testing.assert_array_equal(array, expected["word_emb"][:8])


@pytest.mark.parametrize("name", NAMES[:2])
def test_pandas(tmp_path: Path, name: str) -> None:
    expected = write(tmp_path / name)
    frame = pd.read_parquet(tmp_path / name) if name.endswith("parquet") else pd.read_feather(tmp_path / name)
    assert frame["sentence"].tolist() == [k for k, length in enumerate(LENGTHS) for _ in range(length)]
    for column, array in expected.items():
        assert frame[column][0].dtype == np.float32
        np.testing.assert_array_equal(np.stack(list(frame[column])), array)


@pytest.mark.needs("polars")
@pytest.mark.parametrize("name", NAMES[:2])
def test_polars(tmp_path: Path, name: str) -> None:
    import polars

    expected = write(tmp_path / name)
    read = polars.read_parquet if name.endswith("parquet") else polars.read_ipc
    frame = read(tmp_path / name)
    for column, array in expected.items():
        assert frame.schema[column] == polars.Array(polars.Float32, WIDTHS[column])
        np.testing.assert_array_equal(frame[column].to_numpy(), array)


@pytest.mark.needs("duckdb")
def test_duckdb(tmp_path: Path) -> None:
    import duckdb

    expected = write(tmp_path / "a.parquet")
    with duckdb.connect() as connection:
        rows = connection.sql(f"select * from '{tmp_path / 'a.parquet'}' order by sentence, token").fetchnumpy()
    for column, array in expected.items():
        np.testing.assert_array_equal(np.stack(list(rows[column])).astype(np.float32), array)


@pytest.mark.parametrize("name", NAMES[:2])
def test_failure_leaves_nothing(tmp_path: Path, name: str) -> None:
    [batch] = make_batches(make_rows([3]), SCHEMA)

    def fail(n_batches: int) -> None:
        with write_table_file(tmp_path / name, SCHEMA) as writer:
            for _ in range(n_batches):
                writer.write_batch(batch)
            raise RuntimeError("computing")

    for n_batches in range(2):
        with pytest.raises(RuntimeError, match="computing"):
            fail(n_batches)
        assert os.listdir(tmp_path) == []


@resources
@pytest.mark.parametrize("name", NAMES[:2])
def test_first_failed_write(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-W", "error", "-c", _FULL, str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    count, message = done.stdout.split(" ", 1)
    assert int(count) <= 10
    assert f"[EL221] '{tmp_path / name}' could not be written: File too large. Raise the limit" in message
    assert os.listdir(tmp_path) == []
