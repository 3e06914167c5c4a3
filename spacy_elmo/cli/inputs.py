"""What the commands that read text have in common."""

from typing import Annotated

from typer import Option

from ..errors import ElmoError, Errors
from ..inputs.paths import FORMATS
from .command import choices

INPUT_HELP = (
    "A .txt, .jsonl, .conllu or .spacy file, packed (.gz, .xz, .bz2) or not; a folder, a pattern in quotes, or - "
    "for standard input."
)
FORMAT_HELP = (
    "What the files hold, whatever they are called: txt; tokens (a sentence a line, split at blanks); jsonl; "
    "conllu; or spacy."
)
LANG_HELP = "Split raw text into sentences and tokens by spaCy's rules for this language, as `pretrain` does."
PIPELINE_HELP = "Split raw text into sentences and tokens by this spaCy pipeline, as `pretrain` does."

Format = Annotated[str | None, Option(help=FORMAT_HELP, **choices(FORMATS))]

# Whose files are split already.
_SPLIT = ("tokens", "conllu", "spacy")


def choose_pipeline(
    *, lang: str | None, pipeline: str | None, format: str | None, kind: str = "blank"
) -> str | None:
    """The name of the pipeline that two options mean; None for neither. kind: of pipeline that a language means.

    RAISES (ElmoError): For both, or for either beside a format of files that are split already.
    """
    if lang is not None and pipeline is not None:
        raise ElmoError(Errors.EL065.format(one="lang", other="pipeline"))
    if format in _SPLIT and (lang is not None or pipeline is not None):
        raise ElmoError(Errors.EL207.format(format=format, option="lang" if pipeline is None else "pipeline"))
    return pipeline if lang is None else f"{kind}:{lang}"
