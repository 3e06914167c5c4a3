"""Record batches of a bounded size: a row for each token or sentence, with a column of vectors for each layer."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .. import __version__
from ..bilm.layers import LayerOutputs
from ..errors import ElmoError, Errors, short_repr
from ..inference.sentences import validate_sentences

# The most bytes of vectors, and rows, of a record batch, which is also a row group of a Parquet file. A writer
# holds two of them in memory.
BATCH_BYTES, MOST_ROWS = 32 << 20, 1 << 16
# Columns before those of the layers: the number of the sentence, its id if it has one, the number of the token in
# it or, where a row is a sentence, its number of tokens, and the text of the token or sentence.
SENTENCE, ID, TOKEN, N_TOKENS, TEXT = "sentence", "id", "token", "n_tokens", "text"


class SentenceRows(NamedTuple):
    """The rows of a sentence, or some of them.

    sentence (int): The number of the sentence.
    texts (Sequence[str]): The text of each token, or that of the sentence if it is a row.
    vectors (Mapping[str, NDArray]): (n_rows, width) for each column of vectors.
    first (int): The number of the first of these tokens in the sentence.
    id (str | None): The id of the sentence, where there are ids.
    n_tokens (int): The tokens of the sentence, where it is a row.
    """

    sentence: int
    texts: Sequence[str]
    vectors: Mapping[str, NDArray[np.floating]]
    first: int = 0
    id: str | None = None
    n_tokens: int = 0

    def split(self, n: int) -> "tuple[SentenceRows, SentenceRows]":
        """Split off the first rows.

        n (int): Their number.
        RETURNS (tuple[SentenceRows, SentenceRows]): These rows, and the others.
        """
        vectors = self.vectors.items()
        return (
            self._replace(texts=self.texts[:n], vectors={name: v[:n] for name, v in vectors}),
            self._replace(
                texts=self.texts[n:], vectors={name: v[n:] for name, v in vectors}, first=self.first + n
            ),
        )


def make_schema(
    vectors: Mapping[str, NDArray[np.floating]], *, source: str, has_ids: bool = False, is_pooled: bool = False
) -> pa.Schema:
    """Describe the columns.

    vectors (Mapping[str, NDArray]): An array for each column of vectors, which may have no rows.
    source (str): The model, for the metadata.
    has_ids (bool): Whether sentences have ids.
    is_pooled (bool): Whether a row is a sentence, not a token.
    RETURNS (pa.Schema): Numbers of sentences, ids, numbers of tokens, texts, and lists of a fixed size.
    """
    fields = [(SENTENCE, pa.int64())]
    fields += [(ID, pa.string())] if has_ids else []
    fields += [(N_TOKENS if is_pooled else TOKEN, pa.int32()), (TEXT, pa.string())]
    for name, array in vectors.items():
        fields.append((name, pa.list_(pa.from_numpy_dtype(array.dtype), array.shape[1])))
    about = {"version": __version__, "source": source, "layers": json.dumps(list(vectors))}
    # Names of files may contain anything, but readers expect UTF-8.
    encoded = {f"spacy_elmo.{key}": text.encode("utf-8", "backslashreplace") for key, text in about.items()}
    return pa.schema(fields, metadata=encoded)


def count_batch_rows(schema: pa.Schema) -> int:
    """Count the rows of a record batch: as many as fit into `BATCH_BYTES`, but at most `MOST_ROWS`.

    schema (pa.Schema): Its columns.
    RETURNS (int): 1 or more.
    """
    sizes = [field.type.list_size * field.type.value_type.bit_width // 8 for field in schema if _is_vector(field)]
    return int(max(1, min(MOST_ROWS, BATCH_BYTES // max(1, sum(sizes)))))


def make_batches(
    sentences: Iterable[SentenceRows], schema: pa.Schema, *, n_rows: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Make record batches, while the sentences are read.

    sentences (Iterable[SentenceRows]): The rows; a long sentence may end in another batch than it begins.
    schema (pa.Schema): The columns.
    n_rows (int | None): The rows of each batch but the last, which may have fewer; None: `count_batch_rows`.
    YIELDS (pa.RecordBatch): Each batch, with one row or more.
    RAISES (ElmoError): If a text cannot be stored in UTF-8.
    """
    limit = count_batch_rows(schema) if n_rows is None else n_rows
    waiting: list[SentenceRows] = []
    room = limit
    for rest in sentences:
        while len(rest.texts) >= room:
            rows, rest = rest.split(room)
            yield _make_batch([*waiting, rows], schema)
            waiting, room = [], limit
        if rest.texts:
            waiting.append(rest)
            room -= len(rest.texts)
    if waiting:
        yield _make_batch(waiting, schema)


def make_table(
    sentences: Iterable[Sequence[str]],
    *,
    embed: Callable[[Sequence[Sequence[str]]], list[LayerOutputs]],
    like: LayerOutputs,
    source: str,
) -> pa.Table:
    """Make a table of the layers of sentences.

    sentences (Iterable[Sequence[str]]): Token texts.
    embed (Callable): Computes the layers of sentences.
    like (LayerOutputs): The layers of a sentence without tokens: their names, widths and dtype.
    source (str): The model, for the metadata.
    RETURNS (pa.Table): The table, in record batches of a bounded size.
    RAISES (ElmoError): If a sentence is not a list of str, or a text cannot be stored in UTF-8.
    """
    # `embed` gives the warnings.
    read = list(validate_sentences(sentences, warn=lambda text: None))
    for number, tokens in enumerate(read):
        check_texts(tokens, sentence=number)
    schema = make_schema(dict(like.items()), source=source)
    outputs = embed(read)
    outputs.reverse()

    def pop_rows() -> Iterator[SentenceRows]:
        # Removed from the list, so that the arrays are freed when they are in the table.
        for number, tokens in enumerate(read):
            yield SentenceRows(number, tokens, dict(outputs.pop().items()))

    return pa.Table.from_batches(make_batches(pop_rows(), schema), schema=schema)


def check_texts(texts: Sequence[str], *, sentence: int, first: int = 0) -> None:
    """Check that texts can be stored in UTF-8.

    texts (Sequence[str]): The texts of tokens.
    sentence (int): The number of the sentence, for the message.
    first (int): The number of the first token, for the message.
    RAISES (ElmoError): If one of them contains half of a surrogate pair.
    """
    for number, text in enumerate(texts, start=first):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            got = short_repr(text)
            raise ElmoError(Errors.EL820.format(token=number, sentence=sentence, got=got)) from error


def _make_batch(sentences: Sequence[SentenceRows], schema: pa.Schema) -> pa.RecordBatch:
    sizes = [len(rows.texts) for rows in sentences]
    columns = [_make_column(field, sentences, sizes) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _make_column(field: pa.Field, sentences: Sequence[SentenceRows], sizes: Sequence[int]) -> pa.Array:
    if _is_vector(field):
        flat = np.concatenate([rows.vectors[field.name] for rows in sentences]).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), field.type.list_size)
    if field.name == TEXT:
        return _make_texts(sentences)
    if field.name == TOKEN:
        tokens = [np.arange(rows.first, rows.first + size, dtype=np.int32) for rows, size in zip(sentences, sizes)]
        return pa.array(np.concatenate(tokens))
    if field.name == ID:
        return pa.array([rows.id for rows, size in zip(sentences, sizes) for _ in range(size)], pa.string())
    numbers = [rows.sentence if field.name == SENTENCE else rows.n_tokens for rows in sentences]
    return pa.array(np.repeat(np.array(numbers), sizes), field.type)


def _make_texts(sentences: Sequence[SentenceRows]) -> pa.StringArray:
    try:
        return pa.array([text for rows in sentences for text in rows.texts], pa.string())
    except UnicodeEncodeError:
        for rows in sentences:
            check_texts(rows.texts, sentence=rows.sentence, first=rows.first)
        raise


def _is_vector(field: pa.Field) -> bool:
    return bool(pa.types.is_fixed_size_list(field.type))
