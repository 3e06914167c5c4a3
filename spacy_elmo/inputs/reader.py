"""Files as one stream of tokenised sentences, checked before they are used."""

import warnings
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Warnings
from ..util.files import bad_line
from .conllu import read_conllu
from .items import InputSentence, Item, read_tokens, read_txt
from .jsonl import read_jsonl
from .packed import InputFile
from .paths import Given, find_inputs, shorten
from .text import Lines

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

# Where nobody has named a pipeline: for texts in JSON, and for the text that a language model learns from.
DEFAULT_PIPELINE, CORPUS_PIPELINE = "tokenizer:en", "blank:en"
# Tokens of one sentence, and characters of a text that is not split into sentences.
LONG_SENTENCE, LONG_TEXT = 20_000, 100_000
# Texts that go through the pipeline at once.
_BATCH = 256


class Inputs:
    """Sentences of files, in order.

    given, format: see `find_inputs`.
    pipeline: what splits texts, see `load_pipeline`. With None, a .txt has a sentence a line, split at blanks, and
        texts of a .jsonl are split by `DEFAULT_PIPELINE`.
    RAISES (FileNotFoundError, ElmoError): For what is not there, or of no known format.
    """

    def __init__(
        self,
        given: Given | Sequence[Given],
        *,
        format: str | None = None,
        pipeline: str | None = None,
    ):
        self.files = find_inputs(given, format)
        self._splits_txt = pipeline is not None
        self._pipeline = DEFAULT_PIPELINE if pipeline is None else pipeline
        self._nlp: Language | None = None
        self._sizes: list[float] = []

    @property
    def paths(self) -> list[Path]:
        """The files that lie on disk."""
        return [file.path for file in self.files if not file.is_stream]

    @property
    def shown(self) -> str:
        """The files, for messages."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].path}{more}" if self.files else ""

    @property
    def has_streams(self) -> bool:
        """Standard input or a pipe is among them."""
        return any(file.is_stream for file in self.files)

    def check(self) -> None:
        """Read everything once, so that nothing is computed before all of it is known to be right.

        RAISES (ElmoError): For what cannot be read, with its line.
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
        """The sentences; empty lines, texts, token lists and Docs are empty sentences in their places.

        RAISES: as `check`, which comes first.
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
                    for text, tokens, end, _, by_spacy in items:
                        assert tokens is not None
                        yield InputSentence(text, tokens, (before + end) / total, by_spacy)
            before += size

    def _items(self, file: InputFile, *, warn: bool = False) -> Iterator[Item]:
        if file.format == "spacy":
            from .docbin import read_docbin

            yield from read_docbin(file)
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
        """RETURNS: bytes of its content, 0 if it holds nothing."""
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
        """The length of what seems too long to be a sentence, in words; "" for others."""
        if item.tokens is not None:
            return f"{len(item.tokens):,} tokens" if len(item.tokens) > LONG_SENTENCE else ""
        size, nlp = len(item.text), self._load()
        if size > nlp.max_length:
            reason = f"a text of {size:,} characters, but the pipeline allows at most {nlp.max_length:,}"
            raise bad_line(file.path, item.line or 0, f"{reason}; split it, or use a blank pipeline")
        return f"{size:,} characters" if size > LONG_TEXT and not nlp.pipe_names else ""

    def _load(self) -> "Language":
        if self._nlp is None:
            from .pipelines import load_pipeline

            self._nlp = load_pipeline(self._pipeline)
        return self._nlp


def _is_split(line: str) -> bool:
    """Whether a line looks as if somebody had split it into tokens already."""
    line = f" {line} "
    return " . " in line or " , " in line


def _read_doc(doc: "Doc", item: Item, done: float) -> Iterator[InputSentence]:
    if not len(doc) or not doc.has_annotation("SENT_START"):
        yield InputSentence(item.text, [token.text for token in doc], done, by_spacy=True)
        return
    for span in doc.sents:
        yield InputSentence(span.text, [token.text for token in span], done, by_spacy=True)
