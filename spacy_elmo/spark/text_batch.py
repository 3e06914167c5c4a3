"""Split texts by spaCy, with places as the JVM counts them: in UTF-16 units."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..splitter import Split, SplitSentence
from .annotation_arrays import Ints
from .token_batch import Sentences, TokenBatch


def split_batch(texts: Sequence[str], split: Split) -> TokenBatch:
    """Split the texts of rows into sentences and tokens.

    texts (Sequence[str]): A text a row.
    split (Split): Splits them.
    RETURNS (TokenBatch): The tokens of all rows.
    """
    found: list[SplitSentence] = []
    n_sentences: list[int] = []
    # Of tokens and of sentences: first characters, and the ends.
    places: tuple[list[int], ...] = ([], [], [], [])
    for text, sentences in zip(texts, split(texts), strict=True):
        found += sentences
        n_sentences.append(len(sentences))
        starts = [start for sentence in sentences for start in sentence.starts]
        lengths = [len(token) for sentence in sentences for token in sentence.tokens]
        spans = (
            starts,
            [start + length for start, length in zip(starts, lengths)],
            [sentence.start for sentence in sentences],
            [sentence.start + len(sentence.text) for sentence in sentences],
        )
        for kept, some in zip(places, to_utf16(text, spans)):
            kept += some
    begin, end, sentence_begin, sentence_end = (np.asarray(some, np.int64) for some in places)
    offsets = add_up(n_sentences)
    group_offsets = add_up([len(sentence.tokens) for sentence in found])
    number = np.arange(len(found)) - np.repeat(offsets[:-1], n_sentences)
    return TokenBatch(
        offsets=group_offsets[offsets],
        group_offsets=group_offsets,
        group_number=number,
        begin=begin,
        end=end - 1,
        text=[token for sentence in found for token in sentence.tokens],
        sentences=Sentences(
            offsets=offsets,
            begin=sentence_begin,
            end=sentence_end - 1,
            number=number,
            # Each has tokens.
            group=np.arange(len(found)),
            text=[sentence.text for sentence in found],
        ),
    )


def add_up(lengths: Sequence[int]) -> Ints:
    """Make offsets of lengths.

    lengths (Sequence[int]): (n,).
    RETURNS (Ints): (n + 1,): where each part begins, and the end of the last.
    """
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))])


def to_utf16(text: str, places: Iterable[Sequence[int]]) -> list[list[int]]:
    """Convert places in a text from Python's characters to UTF-16 units.

    text (str): The text.
    places (Iterable[Sequence[int]]): Several lists of places, from 0 to the length of the text.
    RETURNS (list[list[int]]): The same lists in UTF-16 units.
    """
    # Only characters outside of the first 65,536 count twice.
    if text.isascii() or max(text) < "\U00010000":
        return [list(some) for some in places]
    before = add_up([2 if char >= "\U00010000" else 1 for char in text])
    return [before[np.asarray(some, np.int64)].tolist() for some in places]
