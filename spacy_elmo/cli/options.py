"""Options that several commands have, with their help texts."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypedDict

from typer import Option

from ..errors import ElmoError, Errors
from ..inputs.paths import FORMATS
from ..weights.catalogue import BUNDLED

SOURCE_HELP = (
    "A model in any supported format: a name from `spacy-elmo models`; a folder, a file or an archive, by its "
    "path or address; hf://owner/name; or two files: the options, the weights."
)
_SOURCE_HELP = (
    f"The model: {BUNDLED} or another name from `spacy-elmo models`; a folder, a file or an archive, by its path "
    "or address; hf://owner/name; or give the option twice, for the options file and the weights file."
)
INPUT_HELP = (
    "A .txt, .jsonl, .conllu, .spacy or .fasta file, which may be compressed (.gz, .xz, .bz2); a folder; a "
    "pattern in quotes; or - for standard input."
)
FORMAT_HELP = (
    "The format of the files, whatever their names: txt; tokens (one sentence per line, tokens separated by "
    "blanks); jsonl; conllu; spacy; or fasta."
)
LANG_HELP = (
    "Split raw text into sentences and tokens with spaCy's rules for this language, in the same way as `pretrain`."
)
PIPELINE_HELP = "Split raw text into sentences and tokens with this spaCy pipeline, in the same way as `pretrain`."
THREADS_HELP = "Number of CPU threads. Default: the number of processors available to this process."
DEVICE_HELP = "The torch device to run on, such as cpu or cuda."

# Formats whose files are tokenized already.
_TOKENIZED = ("tokens", "conllu", "spacy", "fasta")


class ChoiceSettings(TypedDict):
    """Settings of a typer option, as `choices` gives them."""

    metavar: str
    autocompletion: Callable[[str], list[str]]


def choices(names: Sequence[str]) -> ChoiceSettings:
    """Show the allowed values of an option in its help, and complete them.

    The values are checked by the functions behind the commands, which Python programs call too.

    names (Sequence[str]): The allowed values.
    RETURNS (ChoiceSettings): Settings for `typer.Option`.
    """
    return {
        "metavar": "|".join(names),
        "autocompletion": lambda incomplete: [name for name in names if name.startswith(incomplete)],
    }


Format = Annotated[str | None, Option(help=FORMAT_HELP, **choices(FORMATS))]
NThreads = Annotated[int | None, Option("--n-threads", min=1, metavar="N", help=THREADS_HELP)]
Device = Annotated[str, Option(metavar="DEVICE", help=DEVICE_HELP)]
SourceOption = Annotated[list[str] | None, Option("--source", "-s", metavar="SOURCE", help=_SOURCE_HELP)]
Force = Annotated[bool, Option("--force", "-F", help="Replace existing files.")]


def unpack_source(source: Sequence[str]) -> str | list[str]:
    """Get a model's source from an option or argument that can be repeated.

    source (Sequence[str]): The values: one source, or an options file and a weights file.
    RETURNS (str | list[str]): The source, as for `spacy_elmo.load`.
    """
    return source[0] if len(source) == 1 else list(source)


def choose_pipeline(
    *, lang: str | None, pipeline: str | None, format: str | None, kind: str = "blank"
) -> str | None:
    """Get the name of the pipeline that --lang or --pipeline asks for.

    lang (str | None): A language, whose pipeline consists of spaCy's rules.
    pipeline (str | None): The name or folder of a spaCy pipeline.
    format (str | None): The format of the input files; None: by their names.
    kind (str): The kind of pipeline that `lang` stands for: "blank" or "tokenizer".
    RETURNS (str | None): A name for `Inputs`; None if neither option was given.
    RAISES (ElmoError): For both options, or for one of them with a format whose files are tokenized already.
    """
    if lang is not None and pipeline is not None:
        raise ElmoError(Errors.EL065.format(one="lang", other="pipeline"))
    if format in _TOKENIZED and (lang is not None or pipeline is not None):
        raise ElmoError(Errors.EL207.format(format=format, option="lang" if pipeline is None else "pipeline"))
    return pipeline if lang is None else f"{kind}:{lang}"
