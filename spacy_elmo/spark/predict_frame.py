"""`Elmo.predict` over a data frame of Spark: the same rows and columns, as a data frame of Spark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_type
from pyspark.sql.types import (
    ArrayType,
    DataType,
    FloatType,
    IntegerType,
    StringType,
    StructField,
    StructType,
)

from ..elmo import Elmo
from ..errors import ElmoError, Errors
from ..frames.text_input import TEXT
from ..inference.settings import Settings
from ..util.batching import windows
from .annotation_arrays import Ints
from .archive import make_archive
from .columns import check_types, find_places
from .embed_rows import BATCH_VALUES
from .text_batch import add_up
from .worker import load_model, read_texts

# Characters of a token, or fewer: a guess, to bound the tokens that are predicted at a time.
_CHARACTERS = 4


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a worker computes.

    model (str): The name under which the model was sent to the workers.
    settings (Settings): How the model is run.
    arguments (Mapping): The arguments of `Elmo.predict`.
    text (int): The place of the column with the texts.
    types (Mapping[str, DataType]): The types of the new columns, by name, in order.
    """

    model: str
    settings: Settings
    arguments: Mapping[str, object]
    text: int
    types: Mapping[str, DataType]


def predict_frame(elmo: Elmo, frame: DataFrame, **arguments: object) -> DataFrame:
    """Compute the vectors of texts in a data frame of Spark.

    elmo (Elmo): The model, which is sent to the workers.
    frame (DataFrame): The frame, with texts in the column "text" or else in its first one.
    arguments (object): The other arguments of `Elmo.predict`; `nlp` must be a name.
    RETURNS (DataFrame): A frame with the columns of `Elmo.predict` on pandas, but for `origin_index`; NaN is null.
    RAISES (ElmoError): As `Elmo.predict`, before Spark computes anything; and if `nlp` is a pipeline.
    """
    if not isinstance(arguments["nlp"], str):
        raise ElmoError(Errors.EL860.format(got=type(arguments["nlp"]).__name__))
    text = _find_text(frame)
    check_types(frame, frame.schema.fields)
    # What columns there will be, and whether the arguments are allowed, is shown by one text.
    sample = elmo.predict("I", **arguments)  # type: ignore[arg-type]
    # Rows of Spark have no index.
    types = {name: _find_type(sample[name].iloc[0]) for name in sample.columns if name != "origin_index"}
    for name in types:
        if places := find_places(frame, name):
            raise ElmoError(Errors.EL861.format(one=frame.columns[places[0]], other=name))

    archive = make_archive(elmo.save)
    archive.send(frame.sparkSession)
    fields = [StructField(f"kept{i}", field.dataType, field.nullable) for i, field in enumerate(frame.schema)]
    made = [StructField(f"new{i}", type) for i, type in enumerate(types.values())]
    prediction = Prediction(
        model=archive.name, settings=elmo.settings, arguments=arguments, text=text, types=types
    )
    mapped = frame.toDF(*(field.name for field in fields)).mapInArrow(
        partial(predict_batches, prediction=prediction), StructType([*fields, *made])
    )
    columns = [
        *(
            (old.name, F.col(new.name).alias(old.name, metadata=old.metadata))
            for old, new in zip(frame.schema, fields)
        ),
        *((name, F.col(new.name).alias(name)) for name, new in zip(types, made)),
    ]
    return mapped.select(*(column for _, column in sorted(columns, key=lambda pair: pair[0])))


def _find_text(frame: DataFrame) -> int:
    """Find the column "text", or else the first one. RETURNS: its place."""
    if not frame.columns:
        raise ElmoError(Errors.EL808.format(reason="has no columns", advice="Give one with a column of texts."))
    place = frame.columns.index(TEXT) if TEXT in frame.columns else 0
    field = frame.schema[place]
    if not isinstance(field.dataType, StringType):
        reason = f"has no text in the column '{field.name}', which is of type {field.dataType.simpleString()}"
        which = (
            "it to something else, and then the column of texts" if field.name == TEXT else "the column of texts"
        )
        advice = f"Rename {which}: frame.withColumnRenamed(name, 'text')."
        raise ElmoError(Errors.EL808.format(reason=reason, advice=advice))
    return place


def predict_batches(batches: Iterator[pa.RecordBatch], *, prediction: Prediction) -> Iterator[pa.RecordBatch]:
    """Predict in a worker.

    batches (Iterator[pa.RecordBatch]): The columns of the frame.
    prediction (Prediction): What is computed.
    YIELDS (pa.RecordBatch): The same columns, each row as often as it has results, and the new ones.
    """
    elmo = load_model(prediction.model, prediction.settings)
    width = elmo.width(elmo.layer_names[-1])
    n_characters = max(1, BATCH_VALUES // width * _CHARACTERS)
    made = [f"new{i}" for i in range(len(prediction.types))]
    first_row = 0
    for batch in batches:
        texts = enumerate(read_texts(batch.column(prediction.text), first_row=first_row))
        first_row += len(batch)
        for window in windows(texts, size=lambda text: len(text[1]) + 1, budget=n_characters):
            index, chosen = zip(*window)
            result = elmo.predict(pd.Series(chosen, index, dtype=object), **prediction.arguments)  # type: ignore[arg-type]
            for some in _split_rows(result, _count_bytes(result, batch, prediction)):
                rows = pa.array(some.index.to_numpy())
                kept = [column.take(rows) for column in batch.columns]
                new = [_make_array(some[name].tolist(), type) for name, type in prediction.types.items()]
                yield pa.RecordBatch.from_arrays([*kept, *new], names=[*batch.schema.names, *made])


def _count_bytes(result: pd.DataFrame, batch: pa.RecordBatch, prediction: Prediction) -> Ints:
    """Estimate the size of each row of a result: its vectors, and what is repeated from row to row."""
    # Metadata has texts and lists of the whole document, too.
    factor = 3 if prediction.arguments["metadata"] or prediction.arguments["positions"] else 1
    given = {number: batch.slice(number, 1).nbytes * factor for number in result.index.unique().tolist()}
    sizes = np.array([given[number] for number in result.index.tolist()], np.int64)
    cells = [cell.nbytes if isinstance(cell, np.ndarray) else 0 for cell in result[prediction.arguments["column"]]]
    return sizes + np.array(cells, np.int64)


def _split_rows(result: pd.DataFrame, sizes: Ints) -> Iterator[pd.DataFrame]:
    """Split a result into parts of a bounded size; a larger row is a part alone."""
    places = windows(range(len(result)), size=lambda row: int(sizes[row]), budget=4 * BATCH_VALUES)
    return (result.iloc[part[0] : part[-1] + 1] for part in places)


def _find_type(cell: object) -> DataType:
    if isinstance(cell, np.ndarray):
        vector = ArrayType(FloatType(), containsNull=False)
        return vector if cell.ndim == 1 else ArrayType(vector, containsNull=False)
    if isinstance(cell, list):
        return ArrayType(_find_type(cell[0]))
    return StringType() if isinstance(cell, str) else IntegerType()


def _make_array(cells: Sequence[Any], type: DataType) -> pa.Array:
    """Make an Arrow array of the cells of a column; a float, which is NaN, is a null."""
    if not isinstance(type, ArrayType) or not isinstance(type.elementType, (ArrayType, FloatType)):
        return pa.array([None if isinstance(cell, float) else cell for cell in cells], to_arrow_type(type))
    arrays = [None if isinstance(cell, float) else np.asarray(cell, np.float32) for cell in cells]
    lengths = [0 if array is None else len(array) for array in arrays]
    offsets = pa.array(add_up(lengths), pa.int32())
    filled = [array for array in arrays if array is not None]
    flat = np.concatenate([array.reshape(-1) for array in filled]) if filled else np.empty(0, np.float32)
    values = pa.array(flat)
    if isinstance(type.elementType, ArrayType):
        width = next((array.shape[1] for array in filled), 0)
        values = pa.ListArray.from_arrays(pa.array(np.arange(sum(lengths) + 1) * width, pa.int32()), values)
    nulls = pa.array([array is None for array in arrays])
    return pa.ListArray.from_arrays(offsets, values, mask=nulls)
