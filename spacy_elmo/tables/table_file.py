"""Parquet and Arrow files, written batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ..errors import ElmoImportError
from ..util.atomic import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_ENDINGS = (".parquet",)
# The same format: that of `pyarrow.feather`, version 2, is Arrow's file format.
ARROW_ENDINGS = (".arrow", ".feather")


class BatchWriter(Protocol):
    """Writes record batches to an open file."""

    def write_batch(self, batch: "pa.RecordBatch", /) -> object: ...

    def close(self) -> object: ...


def check_pyarrow(message: str) -> None:
    """Check that pyarrow can be imported, before any work is done.

    message (str): The message of the error.
    RAISES (ImportError): If it is not installed.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ElmoImportError(message) from error


@contextmanager
def write_table_file(path: Path, schema: "pa.Schema") -> Iterator[BatchWriter]:
    """Write a Parquet or Arrow file, which appears under its name when the block ends without an error.

    path (Path): The file; the ending of its name chooses the format.
    schema (pa.Schema): Its columns.
    YIELDS (BatchWriter): Writes record batches. Each becomes a row group of a Parquet file.
    RAISES (OSError): As `atomic_write`.
    """
    open_writer = _open_parquet if path.suffix.lower() in PARQUET_ENDINGS else _open_arrow
    # Python's file has the system's errors as they are, and does not miss that only a part was written.
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        writer = open_writer(file, schema)
        try:
            yield writer
        except BaseException:
            # Otherwise the library closes it later, and reports that this fails.
            with suppress(Exception):
                writer.close()
            raise
        writer.close()


def _open_parquet(file: IO[bytes], schema: "pa.Schema") -> BatchWriter:
    """Open a file that other programs read with their default settings.

    Spark's reader knows neither the encoding that splits the bytes of floats, which would make the file smaller,
    nor float16.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    plain = [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]
    settings: dict[str, Any] = {"use_dictionary": plain, "write_statistics": plain}
    return ParquetWriter(file, schema, compression="zstd", **settings)  # type: ignore[no-any-return]


def _open_arrow(file: IO[bytes], schema: "pa.Schema") -> BatchWriter:
    """Open a file that programs can map into memory, for which it must not be compressed."""
    from pyarrow.ipc import IpcWriteOptions, new_file

    return new_file(file, schema, options=IpcWriteOptions(compression=None))  # type: ignore[no-any-return]
