"""`python -m benchmarks.tables`: sizes of the files that `spacy-elmo embed` writes, times to write and to read."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import h5py
import numpy as np
import pyarrow as pa
import typer
from pyarrow import parquet
from rich.console import Console
from rich.table import Table

import spacy_elmo
from spacy_elmo.bilm.layers import LayerName
from spacy_elmo.cli.embedding.content import Content, Embedded
from spacy_elmo.cli.embedding.formats import get_writer
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.tables.record_batches import count_batch_rows

from .__main__ import EWT, processor, write
from .report import ratios, spread

NAMES: tuple[LayerName, ...] = ("word_emb", "lstm_outputs1", "lstm_outputs2")
SPLIT = dict.fromkeys([f"{name}.list.element" for name in NAMES], "BYTE_STREAM_SPLIT")
# Settings of Parquet that the command does not have.
VARIANTS: dict[str, dict[str, Any]] = {
    "parquet, none": {"compression": "none"},
    "parquet, snappy": {"compression": "snappy"},
    "parquet, zstd, bytes split": {"compression": "zstd", "column_encoding": SPLIT},
}
Arrays = list[np.ndarray]


def main(
    text: Annotated[Path, typer.Option(help="Sentences: .txt, .jsonl, .conllu or .spacy.")] = EWT,
    output: Annotated[Path | None, typer.Option(help="Results as JSON.")] = None,
    n_rounds: Annotated[int, typer.Option(help="Rounds in which every format has its turn.")] = 7,
) -> None:
    """Write and read the layers of a text with en_sm in each format, in turns, and compare all bits."""
    elmo = spacy_elmo.load("en_sm")
    sentences = [*Inputs(text).read()]
    tokens = [sentence.tokens for sentence in sentences]
    outputs = elmo.embed(tokens, layers=NAMES)
    content = Content(
        names=[*NAMES],
        reduce=None,
        pool=None,
        width=elmo.width("elmo"),
        with_index=True,
        has_ids=False,
        like=outputs[0],
        source=elmo.source,
    )
    embedded = [
        Embedded(sentence, content.select(sentence, one)) for sentence, one in zip(sentences, outputs, strict=True)
    ]
    table = elmo.to_arrow(tokens, layers=NAMES)
    expected = [np.concatenate([one[name] for one in outputs]) for name in NAMES]
    writes: dict[str, Callable[[Path], object]] = {
        name: lambda path, name=name: get_writer(name)(path, embedded, content)  # type: ignore[misc]
        for name in READERS
    }
    for name, settings in VARIANTS.items():
        group = {"row_group_size": count_batch_rows(table.schema), "use_dictionary": ["sentence", "token", "text"]}
        writes[name] = lambda path, settings={**settings, **group}: parquet.write_table(table, path, **settings)  # type: ignore[misc]
    found: dict[str, Any] = {name: {"write": [], "read": []} for name in writes}
    with TemporaryDirectory() as folder:
        # The first round warms up.
        for k in range(n_rounds + 1):
            for name, make in writes.items():
                path = Path(folder) / f"a.{name.partition(',')[0]}"
                start = time.perf_counter()
                make(path)
                made = time.perf_counter()
                arrays = READERS[path.suffix[1:]](path)
                end = time.perf_counter()
                assert all((got[:, : one.shape[1]] == one).all() for got, one in zip(arrays, expected)), name
                found[name]["bytes"] = path.stat().st_size / sum(one.nbytes for one in expected)
                if k:
                    found[name]["write"].append(made - start)
                    found[name]["read"].append(end - made)
    write({"processor": processor(), "version": spacy_elmo.__version__, "tables": found}, output)
    shown = Table(title="en_sm, word_emb and LSTM layers (min / median / max of the rounds)")
    for column in ("format", "bytes, of the vectors", "write, of h5", "read, of h5"):
        shown.add_column(column)
    for name, one in found.items():
        times = [spread(ratios(one[key], found["h5"][key])) for key in ("write", "read")]
        shown.add_row(name, f"{one['bytes']:.2f}", *times)
    Console(width=120).print(shown)


def read_hdf5(path: Path) -> Arrays:
    with h5py.File(path) as file:
        return [*np.concatenate([file[str(k)][()] for k in range(len(file) - 1)], axis=1)]


def as_arrays(table: pa.Table) -> Arrays:
    return [table[name].combine_chunks().flatten().to_numpy().reshape(len(table), -1) for name in NAMES]


READERS: dict[str, Callable[[Path], Arrays]] = {
    "h5": read_hdf5,
    "parquet": lambda path: as_arrays(parquet.read_table(path)),
    "arrow": lambda path: as_arrays(pa.ipc.open_file(pa.memory_map(str(path))).read_all()),
}

if __name__ == "__main__":
    typer.run(main)
