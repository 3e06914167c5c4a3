"""The inputs of google/elmo's signatures, as its users give them: lists, arrays or tensors of TensorFlow."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn, cast

import numpy as np

from ...errors import ElmoError, Errors, short_repr

DEFAULT, TOKENS = "default", "tokens"
SIGNATURES = (DEFAULT, TOKENS)
_INPUTS = ("tokens", "sequence_len")
# Iterable, but no list of texts.
_NO_LISTS = (str, bytes, Mapping, set, frozenset)


def read_inputs(
    signature: str, inputs: tuple[object, ...], named: Mapping[str, object]
) -> tuple[list[list[str]], int]:
    """Read the inputs of a signature.

    signature (str): "default" or "tokens".
    inputs (tuple[object, ...]): The positional arguments of a call; a single mapping stands for named ones.
    named (Mapping[str, object]): Its named arguments.
    RETURNS (tuple[list[list[str]], int]): The tokens of each sentence, and the number of columns of the outputs.
    RAISES (ElmoError): If the inputs do not suit the signature.
    """
    if len(inputs) == 1 and isinstance(inputs[0], Mapping) and not named:
        named, inputs = inputs[0], ()
    if signature == DEFAULT:
        # Its name depends on the program that made the module: any is right.
        values = [*inputs, *named.values()]
        if len(values) != 1:
            _fail(DEFAULT, "the input", "one list of texts", f"{len(values)} inputs", "Give elmo(texts).")
        sentences = [_split(text) for text in _read_strings(values[0], "texts", signature=DEFAULT)]
        return sentences, max(map(len, sentences), default=0)
    if inputs or named.keys() != {*_INPUTS}:
        got = f"the names {list_names(named)}" if named else short_repr(inputs)
        advice = "Give {'tokens': [['a', 'cat'], ['dogs', '']], 'sequence_len': [2, 1]}."
        _fail(TOKENS, "the inputs", f"named {list_names(_INPUTS)}", got, advice)
    rows = _read_rows(named["tokens"])
    lengths = _read_lengths(named["sequence_len"], rows)
    return [row[:length] for row, length in zip(rows, lengths)], max(map(len, rows), default=0)


def list_names(names: Iterable[object]) -> str:
    """Write names for a message.

    names (Iterable[object]): The names.
    RETURNS (str): Each in quotes, with commas between.
    """
    return ", ".join(repr(name) for name in names)


def _split(text: str) -> list[str]:
    return [token for token in text.split(" ") if token]


def _fail(signature: str, where: str, allowed: str, got: str, advice: str) -> NoReturn:
    raise ElmoError(Errors.EL886.format(signature=signature, where=where, allowed=allowed, got=got, advice=advice))


def _to_python(value: object) -> object:
    """Convert tensors of TensorFlow and arrays; anything else stays what it is."""
    if not isinstance(value, np.ndarray) and callable(numpy := getattr(value, "numpy", None)):
        value = numpy()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _read_list(value: object, where: str, *, signature: str, allowed: str, advice: str) -> list[object]:
    found = _to_python(value)
    if not isinstance(found, Iterable) or isinstance(found, _NO_LISTS):
        _fail(signature, where, allowed, short_repr(found), advice)
    return list(found)


def _read_strings(value: object, where: str, *, signature: str) -> list[str]:
    is_text = signature == DEFAULT
    allowed = f"a list or one-dimensional array of {'texts' if is_text else 'tokens'}"
    advice = "Put a single text into a list: [text]." if is_text else "Give one list of tokens for each sentence."
    strings = _read_list(value, where, signature=signature, allowed=allowed, advice=advice)
    # Nearly always a list of str, where a check of each would take longer.
    if {*map(type, strings)} <= {str}:
        return cast(list[str], strings)
    return [_read_string(one, f"{where}[{i}]", signature=signature) for i, one in enumerate(strings)]


def _read_string(value: object, where: str, *, signature: str) -> str:
    found = _to_python(value)
    allowed = "a str, or bytes in UTF-8"
    if isinstance(found, bytes):
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError as error:
            advice = f"Decode it before, by its encoding ({error.reason} at byte {error.start})."
            _fail(signature, where, allowed, short_repr(found), advice)
    if not isinstance(found, str):
        _fail(signature, where, allowed, short_repr(found), "Give '' where there is none.")
    return found


def _read_rows(value: object) -> list[list[str]]:
    advice = "Give one list of tokens for each sentence: [['a', 'cat'], ['dogs', '']]."
    allowed = "a list of lists of tokens, or a two-dimensional array"
    rows = _read_list(value, "tokens", signature=TOKENS, allowed=allowed, advice=advice)
    return [_read_strings(row, f"tokens[{i}]", signature=TOKENS) for i, row in enumerate(rows)]


def _read_lengths(value: object, rows: Sequence[Sequence[str]]) -> list[int]:
    allowed = f"{len(rows)} whole numbers, one for each row of tokens"
    advice = "Give the number of tokens of each sentence, without padding."
    lengths = _read_list(value, "sequence_len", signature=TOKENS, allowed=allowed, advice=advice)
    lengths = [_to_python(length) for length in lengths]
    if len(lengths) != len(rows) or not {*map(type, lengths)} <= {int}:
        _fail(TOKENS, "sequence_len", allowed, short_repr(lengths), advice)
    for i, (length, row) in enumerate(zip(cast(list[int], lengths), rows)):
        if not 0 <= length <= len(row):
            allowed = f"from 0 to {len(row)}, the length of its row"
            _fail(TOKENS, f"sequence_len[{i}]", allowed, str(length), advice)
    return cast(list[int], lengths)
