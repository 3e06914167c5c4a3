"""What splits texts into sentences and tokens."""

import sys

import spacy
from spacy.language import Language

from ..errors import ElmoError, Errors


def load_pipeline(name: str) -> Language:
    """The pipeline that splits texts: "tokenizer:en" is the tokenizer of a language, "blank:en" has the rule-based
    sentencizer as well; any other name is what `spacy.load` takes. With the first, each text is one sentence.

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
        # Not every Python refuses an empty name in the same way.
        raise ElmoError(Errors.EL070.format(got=name, reason="an empty name"))
    try:
        return spacy.load(name)
    except (OSError, ImportError, ValueError) as error:
        raise ElmoError(Errors.EL070.format(got=name, reason=error)) from error
