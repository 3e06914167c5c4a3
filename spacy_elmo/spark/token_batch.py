"""What a worker embeds: the tokens of some rows, by row and sentence, with their places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .annotation_arrays import Ints


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """The sentences of some rows, one after the other, for one vector each.

    offsets (Ints): (n_rows + 1,): where the sentences of each row begin, and the end of the last.
    begin (Ints): (n,): the first character of each.
    end (Ints): (n,): its last character, inclusive.
    number (Ints): (n,): its number in the row, as its annotation says.
    group (Ints): (n,): the group of tokens that belong to it; -1: none do.
    text (Sequence[str]): (n,): its text.
    """

    offsets: Ints
    begin: Ints
    end: Ints
    number: Ints
    group: Ints
    text: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """The tokens of some rows, one after the other, in groups that are embedded as one sentence each.

    offsets (Ints): (n_rows + 1,): where the tokens of each row begin, and the end of the last.
    group_offsets (Ints): (n_groups + 1,): where the tokens of each group begin, and the end of the last.
    group_number (Ints): (n_groups,): the number of each group's sentence in its row.
    begin (Ints): (n,): the first character of each token, in UTF-16 units.
    end (Ints): (n,): its last character, inclusive.
    text (Sequence[str]): (n,): its text.
    sentences (Sentences): The sentences of the rows, also those without tokens.
    """

    offsets: Ints
    group_offsets: Ints
    group_number: Ints
    begin: Ints
    end: Ints
    text: Sequence[str]
    sentences: Sentences

    @property
    def n_rows(self) -> int:
        """Count the rows.

        RETURNS (int): Their number.
        """
        return len(self.offsets) - 1

    @property
    def n_groups(self) -> int:
        """Count the groups.

        RETURNS (int): Their number.
        """
        return len(self.group_number)

    def groups(self) -> Iterator[list[str]]:
        """List the tokens to embed.

        YIELDS (list[str]): The tokens of each group.
        """
        bounds = self.group_offsets.tolist()
        return (list(self.text[start:end]) for start, end in pairwise(bounds))

    def split(self, n_tokens: int) -> Iterator["TokenBatch"]:
        """Split by rows.

        n_tokens (int): The most tokens of a part; a row with more is a part alone.
        YIELDS (TokenBatch): Each part, in order.
        """
        row, n_rows = 0, self.n_rows
        while row < n_rows:
            end = int(np.searchsorted(self.offsets, self.offsets[row] + n_tokens, side="right")) - 1
            end = min(max(end, row + 1), n_rows)
            yield self if end - row == n_rows else self._rows(row, end)
            row = end

    def _rows(self, start: int, end: int) -> "TokenBatch":
        first, last = int(self.offsets[start]), int(self.offsets[end])
        # Groups have tokens, so each begins at a place of its own.
        low, high = np.searchsorted(self.group_offsets, (first, last))
        sentences = self.sentences
        low_sentence, high_sentence = int(sentences.offsets[start]), int(sentences.offsets[end])
        some = slice(low_sentence, high_sentence)
        group = sentences.group[some]
        return TokenBatch(
            offsets=self.offsets[start : end + 1] - first,
            group_offsets=self.group_offsets[low : high + 1] - first,
            group_number=self.group_number[low:high],
            begin=self.begin[first:last],
            end=self.end[first:last],
            text=self.text[first:last],
            sentences=Sentences(
                offsets=sentences.offsets[start : end + 1] - low_sentence,
                begin=sentences.begin[some],
                end=sentences.end[some],
                number=sentences.number[some],
                group=np.where(group < 0, group, group - low),
                text=sentences.text[some],
            ),
        )
