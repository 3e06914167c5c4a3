"""Read files as one stream of tokenised sentences, after all of them have been checked."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Warnings
from ..util.files import bad_line
from .conllu import read_conllu
from .fasta import FastaLines, HeaderIds, read_fasta
from .items import InputSentence, Item, read_tokens, read_txt
from .jsonl import read_jsonl
from .packed import InputFile
from .paths import Given, find_inputs, shorten
from .text import Lines

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

# The default pipelines: for texts in JSON, and for the corpus of a language model.
DEFAULT_PIPELINE, CORPUS_PIPELINE = "tokenizer:en", "blank:en"
# More tokens in a sentence, or characters in a text that is not split into sentences, are worth a warning.
LONG_SENTENCE, LONG_TEXT = 20_000, 100_000
# Texts in a batch of the pipeline.
_BATCH = 256


class Inputs:
    """The sentences of files, in order.

    files (list[InputFile]): The files.
    load (Callable[[str], Language] | None): Loads the pipeline when it is needed; None: `load_pipeline`.
    """

    def __init__(
        self,
        given: Given | Sequence[Given],
        *,
        format: str | None = None,
        pipeline: str | None = None,
        ids: HeaderIds | None = None,
    ):
        """Find the files.

        given (Given | Sequence[Given]): As for `find_inputs`.
        format (str | None): As for `find_inputs`.
        pipeline (str | None): The pipeline that splits texts, as for `load_pipeline`. None: each line of a .txt is
            a sentence with tokens between blanks, and `DEFAULT_PIPELINE` splits the texts of a .jsonl.
        ids (HeaderIds | None): Where FASTA files have the ids of sequences; None: the first word of a header.
        RAISES (FileNotFoundError): If a file does not exist.
        RAISES (ElmoError): If a format is not known.
        """
        self.files = find_inputs(given, format)
        self._splits_txt = pipeline is not None
        self._pipeline = DEFAULT_PIPELINE if pipeline is None else pipeline
        self._ids = ids or HeaderIds()
        self.load: Callable[[str], Language] | None = None
        self._nlp: Language | None = None
        self._sizes: list[float] = []

    @property
    def paths(self) -> list[Path]:
        """List the files on disk.

        RETURNS (list[Path]): The paths of all files except standard input and pipes.
        """
        return [file.path for file in self.files if not file.is_stream]

    @property
    def shown(self) -> str:
        """Describe the files for messages.

        RETURNS (str): The first path, and the number of the others.
        """
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].path}{more}" if self.files else ""

    @property
    def has_streams(self) -> bool:
        """Check for standard input and pipes.

        RETURNS (bool): Whether there are any.
        """
        return any(file.is_stream for file in self.files)

    @property
    def has_ids(self) -> bool:
        """Check for sequences with ids.

        RETURNS (bool): Whether the first file has them.
        """
        return bool(self.files) and self.files[0].format == "fasta"

    def check(self) -> None:
        """Read everything once, so that errors appear before anything is computed.

        RAISES (ElmoError): If a line cannot be read, with its number.
        RAISES (OSError): If a file cannot be opened.
        """
        if self._sizes:
            return
        sizes = [self._check_file(file) for file in self.files]
        empty = [str(file.path) for file, size in zip(self.files, sizes) if not size]
        if 0 < len(empty) < len(sizes):
            warnings.warn(Warnings.WL039.format(names=shorten(empty)), stacklevel=2)
        self._sizes = sizes

    def read(self) -> Iterator[InputSentence]:
        """Read the sentences. Empty lines, texts, token lists and Docs are empty sentences in their places.

        YIELDS (InputSentence): Each sentence.
        RAISES (ElmoError): As `check`, which runs first.
        RAISES (OSError): As `check`.
        """
        self.check()
        total = sum(self._sizes) or 1
        before = 0.0
        for file, size in zip(self.files, self._sizes):
            for is_text, items in groupby(self._items(file), key=lambda item: item.tokens is None):
                if is_text:
                    texts = ((item.text, item) for item in items)
                    for doc, item in self._load().pipe(texts, as_tuples=True, batch_size=_BATCH):
                        yield from _read_doc(doc, item, (before + item.end) / total)
                else:
                    for text, tokens, end, _, by_spacy, id in items:
                        assert tokens is not None
                        yield InputSentence(text, tokens, (before + end) / total, by_spacy, id)
            before += size

    def read_ids(self) -> Iterator[tuple[str, str]]:
        """Read the ids of sequences.

        YIELDS (tuple[str, str]): Each id, and where it is, for messages.
        RAISES (ElmoError): As `check`.
        RAISES (OSError): As `check`.
        """
        for file in self.files:
            for item in self._items(file):
                if item.id is not None:
                    yield item.id, f"{file.path}, line {item.line}"

    def _items(self, file: InputFile, *, warn: bool = False) -> Iterator[Item]:
        if file.format == "spacy":
            from .docbin import read_docbin

            yield from read_docbin(file)
            return
        if file.format == "fasta":
            yield from read_fasta(FastaLines(file, warn=warn), self._ids, warn=warn)
            return
        lines = Lines(file, warn=warn)
        if file.format == "jsonl":
            yield from read_jsonl(lines)
        elif file.format == "conllu":
            yield from read_conllu(lines)
        elif file.format == "txt" and self._splits_txt:
            yield from read_txt(lines)
        else:
            yield from read_tokens(lines)

    def _check_file(self, file: InputFile) -> float:
        """RETURNS (float): The size of its content in bytes; 0 if it is empty."""
        end, is_told = 0.0, False
        n_texts = n_split = 0
        for item in self._items(file, warn=True):
            end = item.end
            if item.tokens is None and item.text:
                n_texts, n_split = n_texts + 1, n_split + _is_split(item.text)
            length = self._check_length(file, item)
            if length and not is_told:
                where = f"{file.path}, line {item.line}" if item.line else str(file.path)
                warnings.warn(Warnings.WL038.format(where=where, length=length), stacklevel=3)
                is_told = True
        by_rules = self._pipeline.startswith(("blank:", "tokenizer:"))
        if file.format == "txt" and by_rules and 2 * n_split > n_texts:
            names = {"path": file.path, "n": n_split, "total": n_texts, "pipeline": self._pipeline}
            warnings.warn(Warnings.WL052.format(**names), stacklevel=3)
        return end

    def _check_length(self, file: InputFile, item: Item) -> str:
        """Describe the length of an item that seems too long for a sentence; "" for others."""
        if item.id is not None:
            # Its reader has bounds of its own.
            return ""
        if item.tokens is not None:
            return f"{len(item.tokens):,} tokens" if len(item.tokens) > LONG_SENTENCE else ""
        size, nlp = len(item.text), self._load()
        if size > nlp.max_length:
            reason = f"a text of {size:,} characters, but the pipeline allows at most {nlp.max_length:,}"
            raise bad_line(file.path, item.line or 0, f"{reason}; split it, or use a blank pipeline")
        return f"{size:,} characters" if size > LONG_TEXT and not nlp.pipe_names else ""

    def _load(self) -> "Language":
        if self._nlp is None:
            # Imported here, because it imports spaCy.
            from .pipelines import load_pipeline

            self._nlp = (self.load or load_pipeline)(self._pipeline)
        return self._nlp


def _is_split(line: str) -> bool:
    """Check whether a line looks like tokens between blanks."""
    line = f" {line} "
    return " . " in line or " , " in line


def _read_doc(doc: "Doc", item: Item, done: float) -> Iterator[InputSentence]:
    if not len(doc) or not doc.has_annotation("SENT_START"):
        yield InputSentence(item.text, [token.text for token in doc], done, by_spacy=True)
        return
    for span in doc.sents:
        yield InputSentence(span.text, [token.text for token in span], done, by_spacy=True)
