"""What a worker process of Spark keeps between tasks: models and pipelines, each loaded once."""

from functools import lru_cache
from pathlib import Path

import pyarrow as pa
from pyspark import SparkFiles, TaskContext

from ..elmo import Elmo, load
from ..errors import ElmoError, Errors
from ..inference.settings import Settings
from ..splitter import make_split

# Models that are kept. Few pipelines have more stages, and memory must not grow with every new model.
_KEPT = 2
# Characters of a row's text in a message.
SHOWN = 40


@lru_cache(maxsize=_KEPT)
def load_model(name: str, settings: Settings) -> Elmo:
    """Load a model that was sent to this worker.

    name (str): The name of its folder, which depends on its content.
    settings (Settings): How it is run. Its number of threads is what Spark has given to the task.
    RETURNS (Elmo): The model.
    RAISES (ElmoError): If the processor does not support the precision.
    """
    folder = Path(SparkFiles.get(name))
    return load(
        folder,
        precision=settings.precision,
        initial_state=settings.initial_state,
        max_batch_tokens=settings.max_batch_tokens,
    )


# Of each name, loaded once.
load_split = lru_cache(maxsize=_KEPT)(make_split)


def read_texts(array: pa.Array, *, first_row: int) -> list[str]:
    """Read a text of each row.

    array (pa.Array): (n_rows,), strings.
    first_row (int): The number of the first row, for messages.
    RETURNS (list[str]): The texts; a null is "".
    RAISES (ElmoError): If one is not UTF-8, which Spark does not check.
    """
    try:
        return [text or "" for text in array.to_pylist()]
    except UnicodeDecodeError:
        for row, text in enumerate(array.cast(pa.binary()).to_pylist()):
            try:
                (text or b"").decode()
            except UnicodeDecodeError as error:
                place = {"row": first_row + row, "partition": find_partition()}
                raise ElmoError(Errors.EL862.format(**place, text=text[:SHOWN], reason=error.reason)) from error
        raise


def find_partition() -> int:
    """Get the number of the partition that the running task computes, for messages.

    RETURNS (int): The number.
    """
    context = TaskContext.get()
    return -1 if context is None else context.partitionId()
