"""The columns of a frame but the vectors: texts, positions and metadata."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .choices import UNITS, Choices, Unit
from .layout import Layout

MISSING = float("nan")
# A str, or missing.
Text = str | float


class FrameColumns(NamedTuple):
    """Columns by their names.

    strings (dict[str, Sequence[Text]]): Those of the dtype that pandas has for str.
    others (dict[str, NDArray]): Those of int64 and of objects.
    """

    strings: dict[str, Sequence[Text]]
    others: dict[str, NDArray[np.int64 | np.object_]]


def make_columns(texts: Sequence[str], labels: Iterable[object], layout: Layout, choices: Choices) -> FrameColumns:
    """Make the columns.

    texts (Sequence[str]): The texts.
    labels (Iterable[object]): The label of each in the index.
    layout (Layout): The rows.
    choices (Choices): Which columns there are.
    RETURNS (FrameColumns): All of `Choices.name_columns`, but that of the vectors.
    """
    columns = FrameColumns({}, {})
    _add_texts(columns, texts, layout, choices)
    if choices.positions:
        _add_positions(columns, texts, layout, choices)
    if choices.metadata:
        _add_metadata(columns, labels, layout, choices)
    return columns


def _add_texts(columns: FrameColumns, texts: Sequence[str], layout: Layout, choices: Choices) -> None:
    values: dict[Unit, Sequence[Text]] = {
        "token": [token for sentence in layout.sentences for token in sentence.tokens],
        "sentence": [sentence.text for sentence in layout.sentences],
        "document": texts,
    }
    columns.strings[choices.level] = layout.pick(choices.level, values[choices.level], MISSING)
    if not choices.metadata:
        return
    for unit in UNITS:
        if _is_finer(unit, choices.level):
            columns.others[unit] = _make_objects(layout.group(unit, values[unit]))
        elif unit != choices.level:
            # As objects, since pandas' own dtype for str would copy a long text for each of its tokens.
            columns.others[unit] = _make_objects(layout.pick(unit, values[unit], MISSING))


def _add_positions(columns: FrameColumns, texts: Sequence[str], layout: Layout, choices: Choices) -> None:
    # Of each unit, the text and the place of its first character.
    places: dict[Unit, tuple[Sequence[str], Sequence[int]]] = {
        "token": (
            [token for sentence in layout.sentences for token in sentence.tokens],
            [start for sentence in layout.sentences for start in sentence.starts],
        ),
        "sentence": (
            [sentence.text for sentence in layout.sentences],
            [sentence.start for sentence in layout.sentences],
        ),
        "document": (texts, [0] * len(texts)),
    }
    for unit, (parts, begins) in places.items():
        ends = [begin + len(part) - 1 for part, begin in zip(parts, begins)]
        # Where there is nothing, the part from 0 to -1, which is empty.
        for edge, values, missing in (("begin", begins, 0), ("end", ends, -1)):
            columns.others[f"{unit}_{edge}"] = (
                np.array(layout.pick(unit, values, missing), dtype=np.int64)
                if unit == choices.level
                else _make_objects(layout.group(unit, values))
            )
    for edge in ("begin", "end"):
        columns.others[f"{choices.column}_{edge}"] = columns.others[f"{choices.vector_unit}_{edge}"]


def _add_metadata(columns: FrameColumns, labels: Iterable[object], layout: Layout, choices: Choices) -> None:
    columns.strings["origin_index"] = layout.pick("document", [str(label) for label in labels], "")
    origins: dict[Unit, Sequence[Text]] = {
        "token": [str(i) for text in layout.split for i, sentence in enumerate(text) for _ in sentence.tokens],
        "sentence": [str(i) for text in layout.split for i in range(len(text))],
        # As Spark NLP numbers the only document of a row.
        "document": ["0" if text else MISSING for text in layout.split],
    }
    unit = choices.vector_unit
    of_vectors: dict[str, Sequence[Text]] = {"origin_sentence": origins[unit]}
    # ELMo reads characters: it knows every word, and splits none into pieces.
    for field, value in (("is_OOV", "false"), ("is_word_start", "true"), ("piece_id", "-1")):
        of_vectors[field] = [value if isinstance(origin, str) else MISSING for origin in origins[unit]]
    _add_metadata_column(columns, "token_origin_sentence", "token", origins["token"], layout)
    for field, values in of_vectors.items():
        _add_metadata_column(columns, f"{choices.column}_{field}", unit, values, layout)


def _add_metadata_column(
    columns: FrameColumns, name: str, unit: Unit, values: Sequence[Text], layout: Layout
) -> None:
    if _is_finer(unit, layout.level):
        columns.others[name] = _make_objects(layout.group(unit, values))
    else:
        columns.strings[name] = layout.pick(unit, values, MISSING)


def _is_finer(unit: Unit, level: Unit) -> bool:
    return UNITS.index(unit) < UNITS.index(level)


def _make_objects(values: Sequence[object]) -> NDArray[np.object_]:
    # Otherwise, numpy would make one array of lists that have the same length.
    return np.fromiter(values, dtype=object, count=len(values))
