"""The files that `spacy-elmo embed` writes: HDF5 with the layout of `allennlp elmo` or, for sequences, a dataset
for each id; and tables with a row for each token or sentence."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ElmoError, Errors
from ...tables.table_file import ARROW_ENDINGS, PARQUET_ENDINGS, check_pyarrow
from ..outputs import HDF5_ENDINGS
from .content import Content, Embedded
from .sequence_names import make_name

if TYPE_CHECKING:
    from ...tables.record_batches import SentenceRows

# Formats by name, with the endings of their files; the first is that of new names.
ENDINGS = {"h5": HDF5_ENDINGS[1:], "parquet": PARQUET_ENDINGS, "arrow": ARROW_ENDINGS}
# Of a single file, whose name need not have an ending.
FILE_ENDINGS = (*HDF5_ENDINGS, *PARQUET_ENDINGS, *ARROW_ENDINGS)

# Writes a file, which appears when it is complete, while the sentences are computed.
Writer = Callable[[Path, Iterable[Embedded], Content], None]


def choose_format(output: Path, *, name: str | None = None) -> str:
    """Get the format of an output, and check that its package is installed.

    output (Path): The file; or the folder, if `name` is given.
    name (str | None): The name of the format; None: the ending of the file decides.
    RETURNS (str): One of `ENDINGS`.
    RAISES (ElmoError): If there is no such format.
    RAISES (ImportError): If its package is not installed.
    """
    if name is not None and name not in ENDINGS:
        raise ElmoError(Errors.EL030.format(what="output_format", got=name, allowed=", ".join(ENDINGS)))
    ending = output.suffix.lower()
    chosen = name or next((format for format, endings in ENDINGS.items() if ending in endings), "h5")
    if chosen != "h5":
        check_pyarrow(Errors.EL024.format(path=output if name is None else f".{name}", package="pyarrow"))
    return chosen


def get_writer(format: str) -> Writer:
    """Get the writer of a format.

    format (str): One of `ENDINGS`.
    RETURNS (Writer): Its writer.
    """
    return _write_hdf5 if format == "h5" else _write_table


def _write_hdf5(path: Path, sentences: Iterable[Embedded], content: Content) -> None:
    import h5py

    from ...util.hdf5_file import write_hdf5

    numbers: dict[str, str] = {}
    with write_hdf5(path) as writer:
        for number, (sentence, columns) in enumerate(sentences):
            array = content.stack(columns)
            if sentence.id is not None:
                attributes = {"original_id": sentence.id}
                writer.add(make_name(sentence.id), array, dtype="float32", attributes=attributes)
                continue
            writer.add(str(number), array, dtype="float32")
            if content.with_index:
                numbers[sentence.text] = str(number)
        writer.file.attrs["layers"] = json.dumps(content.names)
        for name, value in (("reduce", content.reduce), ("pool", content.pool)):
            if value is not None:
                writer.file.attrs[name] = value
        if content.with_index:
            writer.add("sentence_to_index", [json.dumps(numbers)], dtype=h5py.string_dtype())


def _write_table(path: Path, sentences: Iterable[Embedded], content: Content) -> None:
    from ...tables.record_batches import SentenceRows, make_batches, make_schema
    from ...tables.table_file import write_table_file

    def make_rows() -> "Iterator[SentenceRows]":
        for number, (sentence, columns) in enumerate(sentences):
            if content.pool is None:
                yield SentenceRows(number, sentence.tokens, columns, id=sentence.id)
            else:
                rows = {name: vector[None] for name, vector in columns.items()}
                yield SentenceRows(number, [sentence.text], rows, id=sentence.id, n_tokens=len(sentence.visible))

    schema = make_schema(
        content.make_empty(), source=content.source, has_ids=content.has_ids, is_pooled=content.pool is not None
    )
    with write_table_file(path, schema) as writer:
        for batch in make_batches(make_rows(), schema):
            writer.write_batch(batch)
