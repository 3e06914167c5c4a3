"""Read what a caller of `predict` gives: texts, with the index and the columns that the result keeps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..errors import ElmoError, Errors, short_repr

TEXT = "text"
# Iterable types without texts, or without an order.
_NO_TEXTS = (bytes, bytearray, memoryview, Mapping, set, frozenset)
_ADVICE = {
    "bytes": "Decode it: data.decode('utf-8').",
    "dict": "Make a frame of it, pandas.DataFrame(data), or give the list of its values.",
    "LazyFrame": "Collect it first: data.collect().",
    "ndarray": "Give an array with one dimension.",
    "set": "Sort it: sets have no order.",
}
_OTHER_ADVICE = "Give a list of texts."
_TEXT_ADVICE = {
    "bytes": "Decode it: text.decode('utf-8').",
    "Doc": "Give its text: [doc.text for doc in docs].",
    "list": "For sentences that are lists of tokens, call elmo.embed().",
    "Token": "Give the text of a Doc: doc.text.",
    "tuple": "For sentences that are lists of tokens, call elmo.embed().",
}
_SURROGATE_ADVICE = (
    "It has half of a surrogate pair. Correct it, or replace it: "
    "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')."
)
_OTHER_TEXT_ADVICE = "Convert it to str, or leave it out."


class TextInput(NamedTuple):
    """Texts, and what the result keeps.

    texts (list[str]): The texts; a missing one is empty.
    kept (pandas.DataFrame): A row for each text: the index of what was given, and its columns, if it has any.
    """

    texts: list[str]
    kept: pd.DataFrame


def read_input(data: object) -> TextInput:
    """Read texts. What was given is not changed.

    data (object): A text, an iterable of texts, a Series, or a frame; those of other packages are converted.
    RETURNS (TextInput): The texts.
    RAISES (ElmoError): If it is anything else, or one of the texts is.
    """
    data = [data] if isinstance(data, str) else _convert(data)
    if isinstance(data, pd.DataFrame):
        number = _find_text_column(data)
        label = data.columns.tolist()[number]
        which = "" if label == TEXT else ", the first (there is no 'text'; give data[name] for another),"
        where = f"column {label!r}{which}"
        return TextInput(_check_texts(data.iloc[:, number].tolist(), data.index, where), data)
    if isinstance(data, pd.Series):
        return TextInput(_check_texts(data.tolist(), data.index, "the Series"), pd.DataFrame(index=data.index))
    values = _list_values(data)
    index = pd.RangeIndex(len(values))
    return TextInput(_check_texts(values, index, None), pd.DataFrame(index=index))


def _convert(data: object) -> object:
    """Convert a frame or Series of another package, such as polars, pyarrow or modin, to that of pandas."""
    if isinstance(data, (pd.DataFrame, pd.Series, np.ndarray)):
        return data
    for name in ("to_pandas", "_to_pandas"):
        method = getattr(data, name, None)
        if callable(method) and not isinstance(data, type):
            return method()
    return data


def _find_text_column(frame: pd.DataFrame) -> int:
    if frame.columns.nlevels > 1:
        reason, advice = "has columns with several levels", "Give one column: predict(data[name])."
    elif not len(frame.columns):
        reason, advice = "has no columns", "Give one with a column of texts."
    else:
        named = [number for number, label in enumerate(frame.columns) if isinstance(label, str) and label == TEXT]
        if len(named) <= 1:
            return named[0] if named else 0
        reason, advice = f"has {len(named)} columns '{TEXT}'", "Rename all but one."
    raise ElmoError(Errors.EL808.format(reason=reason, advice=advice))


def _list_values(data: object) -> list[object]:
    if isinstance(data, np.ndarray):
        if data.ndim == 1:
            # As Python's own types.
            return [*data.tolist()]
    elif isinstance(data, Iterable) and not isinstance(data, _NO_TEXTS):
        return list(data)
    advice = _ADVICE.get(type(data).__name__, _OTHER_ADVICE)
    raise ElmoError(Errors.EL801.format(got=short_repr(data), advice=advice))


def _check_texts(values: Sequence[object], index: pd.Index, source: str | None) -> list[str]:
    """Check that all values are texts or missing.

    values (Sequence[object]): The values.
    index (pandas.Index): The label of each.
    source (str | None): The Series or column, for the message; None: they have no labels of their own.
    RETURNS (list[str]): The texts.
    RAISES (ElmoError): If a value is anything else.
    """
    texts = []
    for number, value in enumerate(values):
        if isinstance(value, str):
            # A plain str, if it is of a subclass.
            text = str.__str__(value)
            if text.isascii() or _is_valid(text):
                texts.append(text)
                continue
            advice = _SURROGATE_ADVICE
        elif pd.api.types.is_scalar(value) and pd.isna(value):
            texts.append("")
            continue
        else:
            advice = _TEXT_ADVICE.get(type(value).__name__, _OTHER_TEXT_ADVICE)
        where = f"row {number} (index {index.tolist()[number]!r}) of {source}" if source else f"text {number}"
        raise ElmoError(Errors.EL802.format(where=where, got=short_repr(value), advice=advice))
    return texts


def _is_valid(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
