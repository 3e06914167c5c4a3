"""The spaCy pipelines that split texts into sentences and tokens."""

import sys

import spacy
from spacy.language import Language

from ..errors import ElmoError, Errors


def load_pipeline(name: str) -> Language:
    """Load the pipeline that splits texts.

    name (str): "tokenizer:en" for the tokenizer of a language, with each text as one sentence; "blank:en" for the
        tokenizer with the rule-based sentencizer; any other name as for `spacy.load`.
    RETURNS (Language): The pipeline.
    RAISES (ElmoError): If there is no such language or pipeline.
    """
    kind, _, lang = name.partition(":")
    if kind in ("tokenizer", "blank") and lang:
        try:
            nlp = spacy.blank(lang)
        except ImportError as error:
            raise ElmoError(Errors.EL070.format(got=name, reason=error)) from error
        if kind == "blank":
            nlp.add_pipe("sentencizer")
        # spaCy's limit is for components that need much more memory than these.
        nlp.max_length = sys.maxsize
        return nlp
    if not name:
        # Versions of Python refuse an empty name in different ways.
        raise ElmoError(Errors.EL070.format(got=name, reason="an empty name"))
    try:
        return spacy.load(name)
    except (OSError, ImportError, ValueError) as error:
        raise ElmoError(Errors.EL070.format(got=name, reason=error)) from error
