"""Texts to tokenised sentences, by a spaCy pipeline."""

import sys
from pathlib import Path
from typing import Any, Iterator, List, Optional, Sequence

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors
from .text import check_text_file, read_texts

# Texts that go through the pipeline at once.
_BATCH = 256


def load_pipeline(name: str) -> Language:
    """The pipeline that splits texts: "blank:en" is the tokenizer of a language with the rule-based sentencizer;
    any other name is what `spacy.load` takes.

    RAISES: ValueError or OSError if there is no such language or pipeline.
    """
    kind, _, lang = name.partition(":")
    if kind == "blank" and lang:
        try:
            nlp = spacy.blank(lang)
        except ImportError as error:
            raise ValueError(Errors.EL070.format(got=name, reason=error)) from error
        nlp.add_pipe("sentencizer")
        # spaCy's limit is for components that need much more memory than these.
        nlp.max_length = sys.maxsize
        return nlp
    try:
        return spacy.load(name)
    except (OSError, ImportError) as error:
        raise ValueError(Errors.EL070.format(got=name, reason=error)) from error


def read_tokens(
    paths: Sequence[Path], nlp: Language, *, n_process: int = 1, done: Optional[List[float]] = None
) -> Iterator[List[str]]:
    """The tokenised sentences of the files, in order; whitespace tokens and empty sentences are left out.

    Docs of a .spacy file are used as they stand where their sentences are set; else each is one sentence.
    n_process: processes that run the pipeline.
    RAISES: see `read_texts`; ValueError, once it is reached, for a text that is too long for the pipeline.
    """
    for path in paths:
        check_text_file(path)
    for path in paths:
        texts: Iterator[Any] = read_texts(path, nlp.vocab, longest=nlp.max_length)
        docs = (
            texts if path.suffix.lower() == ".spacy" else nlp.pipe(texts, batch_size=_BATCH, n_process=n_process)
        )
        for doc in docs:
            yield from _sentences(doc)


def _sentences(doc: Doc) -> Iterator[List[str]]:
    for span in doc.sents if doc.has_annotation("SENT_START") else [doc[:]]:
        tokens = [token.text for token in span if not token.is_space]
        if tokens:
            yield tokens
