"""Match token annotations to sentence annotations, as Spark NLP documents it.

A token belongs to a sentence of its row if it begins and ends within it. Sentences of the same number are one; a
token outside of all sentences is left out. Source: TokenizedWithSentence.scala of Spark NLP.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import ElmoError, Errors
from .annotation_arrays import Ints
from .token_batch import Sentences, TokenBatch
from .worker import SHOWN, find_partition


class Spans(NamedTuple):
    """Annotations of some rows, flat.

    row (Ints): (n,): the row of each.
    begin (Ints): (n,): its first character.
    end (Ints): (n,): its last character, inclusive.
    """

    row: Ints
    begin: Ints
    end: Ints


def match_tokens(arrays: tuple[pa.Array, ...], *, first_row: int) -> TokenBatch:
    """Match the tokens of rows to their sentences.

    arrays (tuple[pa.Array, ...]): Lists, one a row: begin, end, result and metadata of the sentences, then begin,
        end and result of the tokens. A null list is an empty one.
    first_row (int): The number of the first row, for messages.
    RETURNS (TokenBatch): The tokens that belong to a sentence, by row, number of the sentence and place.
    RAISES (ElmoError): If an annotation is null.
    """
    s_offsets, (s_begin, s_end, s_text, s_metadata) = _flatten(arrays[:4])
    t_offsets, (t_begin, t_end, t_text) = _flatten(arrays[4:])
    for what, offsets, columns in (
        ("sentence", s_offsets, (s_begin, s_end)),
        ("token", t_offsets, (t_begin, t_end, t_text)),
    ):
        _check_no_null(what, offsets, columns, texts=arrays[2], first_row=first_row)

    sentences = Spans(_rows(s_offsets), _numbers(s_begin), _numbers(s_end))
    tokens = Spans(_rows(t_offsets), _numbers(t_begin), _numbers(t_end))
    number = _sentence_numbers(s_metadata, s_offsets)
    token, sentence = _find_pairs(sentences, tokens)

    # By row and number of the sentence; within it, as the tokens stand in their column.
    keys = np.stack([sentences.row[sentence], number[sentence], token])
    keys = keys[:, np.lexsort(keys[::-1])]
    # Sentences of the same number may overlap: a token of both counts once.
    keys = keys[:, _find_changes(keys)]
    starts = np.flatnonzero(_find_changes(keys[:2]))
    token = keys[2]
    n_rows = len(t_offsets) - 1
    return TokenBatch(
        offsets=np.searchsorted(keys[0], np.arange(n_rows + 1)),
        group_offsets=np.append(starts, len(token)),
        group_number=keys[1, starts],
        begin=tokens.begin[token],
        end=tokens.end[token],
        text=t_text.take(pa.array(token)).to_pylist(),
        sentences=Sentences(
            offsets=s_offsets,
            begin=sentences.begin,
            end=sentences.end,
            number=number,
            group=_find_groups(sentences.row, number, keys[:2, starts]),
            text=[text or "" for text in s_text.to_pylist()],
        ),
    )


def _find_pairs(sentences: Spans, tokens: Spans) -> tuple[Ints, Ints]:
    """RETURNS: the numbers of tokens and of the sentences they are in; where sentences overlap, in both."""
    if not _is_simple(sentences, tokens):
        return _compare_all(sentences, tokens)
    # The last sentence that begins at the token or before.
    found = np.searchsorted(_places(sentences), _places(tokens), side="right") - 1
    at = np.maximum(found, 0)
    is_in = (found >= 0) & (sentences.row[at] == tokens.row) & (tokens.end <= sentences.end[at])
    return np.flatnonzero(is_in), found[is_in]


def _is_simple(sentences: Spans, tokens: Spans) -> bool:
    """RETURNS: whether a token is in one sentence at most: they follow one another, and no token is empty."""
    if not len(sentences.row) or sentences.begin.min() < 0 or (tokens.end < tokens.begin).any():
        return False
    follows = (sentences.begin[1:] > sentences.end[:-1]) & (sentences.begin[1:] >= sentences.begin[:-1])
    return bool((follows | (sentences.row[1:] > sentences.row[:-1])).all())


def _compare_all(sentences: Spans, tokens: Spans) -> tuple[Ints, Ints]:
    """As `_find_pairs`, for sentences in any order, which may overlap."""
    pairs = [np.empty((2, 0), np.int64)]
    n_rows = int(max(sentences.row.max(initial=-1), tokens.row.max(initial=-1))) + 1
    s_bounds = np.searchsorted(sentences.row, np.arange(n_rows + 1))
    t_bounds = np.searchsorted(tokens.row, np.arange(n_rows + 1))
    for row in range(n_rows):
        here = slice(t_bounds[row], t_bounds[row + 1])
        for sentence in range(s_bounds[row], s_bounds[row + 1]):
            begin, end = sentences.begin[sentence], sentences.end[sentence]
            token = np.flatnonzero((tokens.begin[here] >= begin) & (tokens.end[here] <= end)) + here.start
            pairs.append(np.stack([token, np.full(len(token), sentence)]))
    token, sentence = np.concatenate(pairs, axis=1)
    return token, sentence


def _find_changes(keys: Ints) -> NDArray[np.bool_]:
    """RETURNS: of each column, whether it differs from the one before."""
    changes = np.ones(keys.shape[1], bool)
    changes[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return changes


def _places(spans: Spans) -> Ints:
    return (spans.row << 32) + spans.begin


def _find_groups(row: Ints, number: Ints, groups: Ints) -> Ints:
    """RETURNS: the place of each sentence's row and number among those of the groups; -1: it has no tokens."""
    if not groups.shape[1]:
        return np.full(len(row), -1)
    known, wanted = (groups[0] << 32) + groups[1], (row << 32) + number
    found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[found] == wanted, found, -1)


def _sentence_numbers(metadata: pa.MapArray, offsets: Ints) -> Ints:
    """Read the numbers of sentences from their metadata; a sentence without one has its place in the row."""
    texts = pc.map_lookup(metadata, pa.scalar("sentence"), "first").cast(pa.string())
    is_number = pc.fill_null(pc.match_substring_regex(texts, r"^[0-9]{1,9}$"), False)
    numbers = pc.if_else(is_number, texts, pa.scalar("0")).cast(pa.int64()).to_numpy(zero_copy_only=False)
    place = np.arange(len(numbers)) - offsets[_rows(offsets)]
    return np.where(is_number.to_numpy(zero_copy_only=False), numbers, place)


def _flatten(lists: tuple[pa.Array, ...]) -> tuple[Ints, list[pa.Array]]:
    """RETURNS: where each row begins, (n_rows + 1,), and the elements of all rows of each list."""
    lengths = pc.fill_null(pc.list_value_length(lists[0]), 0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), [pc.list_flatten(one) for one in lists]


def _rows(offsets: Ints) -> Ints:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _numbers(array: pa.Array) -> Ints:
    numbers: Ints = array.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _check_no_null(
    what: str, offsets: Ints, columns: tuple[pa.Array, ...], *, texts: pa.Array, first_row: int
) -> None:
    nulls = [pc.indices_nonzero(column.is_null()) for column in columns if column.null_count]
    if nulls:
        place = min(int(found[0].as_py()) for found in nulls)
        row = int(np.searchsorted(offsets, place, side="right")) - 1
        shown = " ".join(text for text in texts[row].as_py() or [] if text)[:SHOWN]
        found = {"row": first_row + row, "partition": find_partition(), "number": place - int(offsets[row])}
        raise ElmoError(Errors.EL853.format(**found, text=shown, what=what))
