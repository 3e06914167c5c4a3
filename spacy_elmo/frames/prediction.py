"""`Elmo.predict`: texts in, a data frame out."""

from importlib import import_module
from typing import TYPE_CHECKING

from ..bilm.layers import LayerName
from ..errors import ElmoError, ElmoImportError, Errors, short_repr
from ..splitter import make_split
from .choices import Choices, check_choices
from .frame_columns import FrameColumns, make_columns
from .layout import Layout
from .vector_cells import Embedder, embed_split_texts, make_cells

if TYPE_CHECKING:
    import pandas
    from spacy.language import Language

# Resolved by name, when a Spark frame is given: the room for Spark stands above this one.
_SPARK = "spacy_elmo.spark.predict_frame"


def predict(
    embedder: Embedder,
    data: object,
    *,
    output_level: str,
    pooling_layer: LayerName,
    positions: bool,
    metadata: bool,
    column: str,
    pooling: str | None,
    nlp: "Language | str",
) -> "pandas.DataFrame":
    """Compute the vectors of texts. The other arguments are those of `Elmo.predict`.

    embedder (Embedder): The model.
    data (object): See `Elmo.predict`.
    RETURNS (pandas.DataFrame): See `Elmo.predict`.
    RAISES (ElmoError): See `Elmo.predict`.
    RAISES (ImportError): If pandas is not installed.
    """
    choices = check_choices(
        output_level=output_level, positions=positions, metadata=metadata, column=column, pooling=pooling
    )
    # Before any work: a layer that the model does not have is an error.
    embedder.width(pooling_layer)
    if _is_spark_frame(data):
        return import_module(_SPARK).predict_frame(
            embedder,
            data,
            output_level=choices.level,
            pooling_layer=pooling_layer,
            positions=choices.positions,
            metadata=choices.metadata,
            column=choices.column,
            pooling=choices.pooling,
            nlp=nlp,
        )
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise ElmoImportError(Errors.EL800.format(what="predict()", package="pandas")) from error
    # Imports pandas, too.
    from .text_input import read_input

    texts, kept = read_input(data)
    _check_clashes(kept, choices)
    if not isinstance(nlp, str) and not callable(getattr(nlp, "pipe", None)):
        raise ElmoError(Errors.EL809.format(got=short_repr(nlp)))
    split = make_split(nlp)
    vectors = embed_split_texts(embedder, split(texts), layer=pooling_layer, pooling=choices.pooling)
    layout = Layout(vectors.split, level=choices.level)
    columns = make_columns(texts, kept.index, layout, choices)
    columns.others[choices.column] = make_cells(vectors, layout, pooling=choices.pooling)
    return _assemble(kept, layout, columns)


def _is_spark_frame(data: object) -> bool:
    """Recognize a data frame of Spark, classic or Connect, without importing pyspark."""
    return any(
        kind.__name__ == "DataFrame" and kind.__module__.startswith("pyspark.sql") for kind in type(data).__mro__
    )


def _check_clashes(kept: "pandas.DataFrame", choices: Choices) -> None:
    """Check that no column of the given frame has the name of one of the result's."""
    made = choices.name_columns()
    for label in kept.columns:
        if isinstance(label, str) and label in made:
            also = ", or give another `column`" if label.startswith(choices.column) else ""
            raise ElmoError(Errors.EL806.format(name=repr(label), other=repr(f"{label}_given"), also=also))


def _assemble(kept: "pandas.DataFrame", layout: Layout, columns: FrameColumns) -> "pandas.DataFrame":
    """Put the columns beside those that are kept, in the order of their names."""
    import pandas as pd

    # With an index of its own, which may be renamed: that of the input would change, too.
    kept = kept.set_axis(kept.index.copy()) if layout.level == "document" else kept.take(layout.documents)
    str_dtype = pd.Series(["a"]).dtype
    made = {name: pd.Series(values, kept.index, dtype=str_dtype) for name, values in columns.strings.items()}
    # Without the dtype, pandas would convert objects that are all str.
    made |= {name: pd.Series(values, kept.index, dtype=values.dtype) for name, values in columns.others.items()}
    frame = pd.DataFrame({name: made[name] for name in sorted(made)}, index=kept.index)
    if not len(kept.columns):
        return frame
    frame = pd.concat([kept, frame], axis=1)
    # Labels may be numbers, too.
    order = sorted(range(frame.shape[1]), key=lambda number: str(frame.columns[number]))
    return frame.take(order, axis=1)
