"""The files that `spacy-elmo embed` writes: HDF5 with the layout of `allennlp elmo`, and tables of tokens."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...bilm.layers import LayerOutputs, stack_layers
from ...errors import ElmoError, Errors
from ...inputs.items import InputSentence
from ...tables.table_file import ARROW_ENDINGS, PARQUET_ENDINGS, check_pyarrow
from ..outputs import HDF5_ENDINGS

if TYPE_CHECKING:
    from ...tables.record_batches import SentenceRows

Array: TypeAlias = NDArray[np.floating]

# What --average and --top write; otherwise all chosen layers.
AVERAGE, TOP = "average", "top"
# Formats by name, with the endings of their files; the first is that of new names.
ENDINGS = {"h5": HDF5_ENDINGS[1:], "parquet": PARQUET_ENDINGS, "arrow": ARROW_ENDINGS}
# Of a single file, whose name need not have an ending.
FILE_ENDINGS = (*HDF5_ENDINGS, *PARQUET_ENDINGS, *ARROW_ENDINGS)


class Embedded(NamedTuple):
    """A sentence with its layers.

    sentence (InputSentence): The sentence.
    outputs (LayerOutputs): The layers of the tokens that the biLM sees.
    """

    sentence: InputSentence
    outputs: LayerOutputs


class Content(NamedTuple):
    """What is written of each sentence.

    names (list[str]): The layers, lowest first.
    reduce (str | None): `AVERAGE`, `TOP` or None.
    width (int): The width of an LSTM layer, 2P.
    with_index (bool): Whether HDF5 files have sentence_to_index.
    like (LayerOutputs): The layers of a sentence without tokens.
    source (str): The model, for the metadata of tables.
    """

    names: list[str]
    reduce: str | None
    width: int
    with_index: bool
    like: LayerOutputs
    source: str

    def stack(self, embedded: Embedded) -> Array:
        """Make the array of a sentence.

        embedded (Embedded): The sentence.
        RETURNS (Array): (n_layers, n, 2P), or (n, 2P) with `reduce`; zeros for tokens that the biLM does not see.
        """
        layers = stack_layers([embedded.outputs[name] for name in self.names], width=self.width)
        array = _insert_zeros(layers, embedded.sentence)
        if self.reduce == AVERAGE:
            return np.asarray(array.mean(axis=0))
        return array[0] if self.reduce == TOP else array

    def split(self, embedded: Embedded) -> dict[str, Array]:
        """Make the columns of a sentence.

        embedded (Embedded): The sentence.
        RETURNS (dict[str, Array]): Each layer, (n, width), or the average, (n, 2P), with zeros as in `stack`.
        """
        if self.reduce == AVERAGE:
            return {AVERAGE: self.stack(embedded)}
        return {name: _insert_zeros(embedded.outputs[name], embedded.sentence) for name in self.names}


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
        for number, embedded in enumerate(sentences):
            writer.add(str(number), content.stack(embedded), dtype="float32")
            if content.with_index:
                numbers[embedded.sentence.text] = str(number)
        writer.file.attrs["layers"] = json.dumps(content.names)
        if content.with_index:
            writer.add("sentence_to_index", [json.dumps(numbers)], dtype=h5py.string_dtype())


def _write_table(path: Path, sentences: Iterable[Embedded], content: Content) -> None:
    from ...tables.record_batches import SentenceRows, make_batches, make_schema
    from ...tables.table_file import write_table_file

    def make_rows() -> "Iterator[SentenceRows]":
        for number, embedded in enumerate(sentences):
            yield SentenceRows(number, embedded.sentence.tokens, content.split(embedded))

    nothing = Embedded(InputSentence("", [], 0.0), content.like)
    schema = make_schema(content.split(nothing), source=content.source)
    with write_table_file(path, schema) as writer:
        for batch in make_batches(make_rows(), schema):
            writer.write_batch(batch)


def _insert_zeros(array: Array, sentence: InputSentence) -> Array:
    """Insert rows of zeros, in the last axis but one, for tokens that the biLM does not see."""
    rows, n_tokens = sentence.rows, len(sentence.tokens)
    if len(rows) == n_tokens:
        return array
    full = np.zeros((*array.shape[:-2], n_tokens, array.shape[-1]), dtype=array.dtype)
    full[..., rows, :] = array
    return full
