"""What the stages that split text compute in the workers: documents, sentences and tokens, as annotations."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ..errors import ElmoError, Errors
from ..splitter import SplitSentence
from .annotation import DOCUMENT, TOKEN
from .annotation_arrays import FlatAnnotations, make_annotations, no_vectors
from .text_batch import add_up, to_utf16
from .worker import SHOWN, find_partition, load_split, read_texts

Batches = Iterator[tuple[pa.Array, ...]]


class Part(NamedTuple):
    """A part of a row's text.

    begin (int): Its first character, in UTF-16 units.
    end (int): The end of it, exclusive.
    text (str): The part.
    sentence (int): The number of its sentence in the row.
    """

    begin: int
    end: int
    text: str
    sentence: int


def make_documents(batches: Batches) -> Iterator[pa.Array]:
    """Make an annotation of each text; a null text is an empty one. Source: DocumentAssembler.scala of Spark NLP.

    batches (Iterator[tuple[pa.Array, ...]]): Texts.
    YIELDS (pa.Array): The annotations of each row.
    """
    first_row = 0
    for (array,) in batches:
        texts = read_texts(array, first_row=first_row)
        first_row += len(texts)
        yield _make(DOCUMENT, [[Part(0, _count_utf16(text), text, 0)] for text in texts])


def make_sentences(batches: Batches, *, pipeline: str) -> Iterator[pa.Array]:
    """Make annotations of the sentences of documents.

    batches (Iterator[tuple[pa.Array, ...]]): Lists, one a row: begin, result and metadata of the documents.
    pipeline (str): As for `load_pipeline`.
    YIELDS (pa.Array): The annotations of each row.
    """
    for rows in _split_rows(batches, pipeline):
        made = []
        for row in rows:
            parts = [
                part for source in row for part in source.place((one.text, one.start) for one in source.sentences)
            ]
            # Numbered through the row.
            made.append([part._replace(sentence=number) for number, part in enumerate(parts)])
        yield _make(DOCUMENT, made)


def make_tokens(batches: Batches, *, pipeline: str) -> Iterator[pa.Array]:
    """Make annotations of the tokens of sentences or documents.

    batches (Iterator[tuple[pa.Array, ...]]): Lists, one a row: begin, result and metadata of the sentences.
    pipeline (str): As for `load_pipeline`.
    YIELDS (pa.Array): The annotations of each row.
    """
    for rows in _split_rows(batches, pipeline):
        yield _make(
            TOKEN,
            [
                [
                    part
                    for source in row
                    for one in source.sentences
                    for part in source.place(zip(one.tokens, one.starts))
                ]
                for row in rows
            ],
        )


class _Source(NamedTuple):
    """A document or sentence that is split.

    begin (int): Its first character, in UTF-16 units.
    text (str): Its text.
    number (int): The number of its sentence.
    sentences (list[SplitSentence]): What spaCy finds in it.
    """

    begin: int
    text: str
    number: int
    sentences: list[SplitSentence]

    def place(self, spans: Iterable[tuple[str, int]]) -> Iterator[Part]:
        """Place parts of the text in that of the row.

        spans (Iterable[tuple[str, int]]): The text of each part, and the place of its first character.
        YIELDS (Part): Each part.
        """
        parts = list(spans)
        bounds = [start for _, start in parts], [start + len(text) for text, start in parts]
        for (text, _), start, end in zip(parts, *to_utf16(self.text, bounds)):
            yield Part(self.begin + start, self.begin + end, text, self.number)


def _split_rows(batches: Batches, pipeline: str) -> Iterator[list[list[_Source]]]:
    """YIELDS: the split annotations of each row of a batch."""
    split = load_split(pipeline)
    first_row = 0
    for begin, result, metadata in batches:
        begins, texts, maps = ([row or [] for row in array.to_pylist()] for array in (begin, result, metadata))
        _check_no_null(begins, texts, first_row=first_row)
        first_row += len(begins)
        filled = [[text or "" for text in row] for row in texts]
        found = split(text for row in filled for text in row)
        yield [
            [
                _Source(start, text, _find_number(one, place), next(found))
                for place, (start, text, one) in enumerate(zip(*row))
            ]
            for row in zip(begins, filled, maps)
        ]


def _check_no_null(begins: list[list[int | None]], texts: list[list[str | None]], *, first_row: int) -> None:
    for number, row in enumerate(begins):
        if None in row:
            found = {"row": first_row + number, "partition": find_partition(), "number": row.index(None)}
            text = " ".join(filter(None, texts[number]))[:SHOWN]
            raise ElmoError(Errors.EL853.format(**found, text=text, what="document or sentence"))


def _find_number(metadata: Iterable[tuple[str, str | None]] | None, place: int) -> int:
    text = dict(metadata or ()).get("sentence") or ""
    return int(text) if text.isdecimal() and text.isascii() else place


def _count_utf16(text: str) -> int:
    return to_utf16(text, [[len(text)]])[0][0]


def _make(kind: str, rows: Sequence[Sequence[Part]]) -> pa.Array:
    parts = [part for row in rows for part in row]
    values, value_offsets = no_vectors(len(parts))
    return make_annotations(
        FlatAnnotations(
            kind=kind,
            offsets=add_up([len(row) for row in rows]),
            begin=np.array([part.begin for part in parts], np.int64),
            end=np.array([part.end - 1 for part in parts], np.int64),
            result=[part.text for part in parts],
            metadata={"sentence": [str(part.sentence) for part in parts]},
            values=values,
            value_offsets=value_offsets,
        )
    )
