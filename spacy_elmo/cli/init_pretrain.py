"""`spacy-elmo init-pretrain`: a config for `spacy-elmo pretrain`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ..errors import ElmoError, ElmoFileNotFoundError, Errors, printable
from ..inputs.paths import FORMATS
from ..inputs.reader import CORPUS_PIPELINE
from ..util.atomic import atomic_write
from .command import choices
from .inputs import Format, choose_pipeline
from .outputs import check_output, is_stdout

DEFAULT_SIZE = "sm"

OPTIONS_HELP = (
    "Take the sizes of this options.json; what bilm-tf's trainer reads in it becomes settings of the config."
)


def init_pretrain_cli(
    config_path: Annotated[Path, Argument(metavar="CONFIG", help="The file to write; - prints it.")],
    train: Annotated[str | None, Option(metavar="TEXT", help="The text to train on.")] = None,
    dev: Annotated[str | None, Option(metavar="TEXT", help="Held-out text to measure.")] = None,
    format: Format = None,
    lang: Annotated[
        str | None, Option(metavar="LANG", help="Language whose tokenizer splits the text. Default: en.")
    ] = None,
    pipeline: Annotated[
        str | None, Option(metavar="NAME", help="A spaCy pipeline that splits the text instead.")
    ] = None,
    size: Annotated[
        str | None,
        Option(
            help="sm, as the bundled model, or original, as published. Default: sm.", **choices(("sm", "original"))
        ),
    ] = None,
    source: Annotated[
        str | None, Option("--source", "-s", help="Continue from this model instead: one pass over the text.")
    ] = None,
    options: Annotated[Path | None, Option("--options", metavar="FILE", help=OPTIONS_HELP)] = None,
    force: Annotated[bool, Option("--force", "-F", help="Replace an existing file.")] = False,
) -> None:
    """Write a config with every setting of pre-training and its default."""
    models = {"options": options, "source": source, "size": size}
    given = [name for name, value in models.items() if value is not None]
    if len(given) > 1:
        raise ElmoError(Errors.EL065.format(one=given[0], other=given[1]))
    if not is_stdout(config_path):
        check_output(config_path, [options] if options else [], force=force)
    text, notes = init_pretrain(
        train=train,
        dev=dev,
        format=format,
        lang=lang,
        pipeline=pipeline,
        size=size or DEFAULT_SIZE,
        source=source,
        options=options,
    )
    for note in notes:
        typer.echo(f"- {printable(note)}", err=True)
    if is_stdout(config_path):
        typer.echo(text)
        return
    with atomic_write(config_path) as temporary:
        temporary.write_text(text + "\n", "utf-8")
    typer.echo(f"Wrote {config_path}. Train with: spacy-elmo pretrain {config_path} --output FOLDER", err=True)


def init_pretrain(
    *,
    train: str | None = None,
    dev: str | None = None,
    format: str | None = None,
    lang: str | None = None,
    pipeline: str | None = None,
    size: str = DEFAULT_SIZE,
    source: str | None = None,
    options: Path | None = None,
) -> tuple[str, list[str]]:
    """Make the text of a config.

    train (str | None): The text to train on.
    dev (str | None): Held-out text.
    format (str | None): Of both; None: by the names of the files.
    lang (str | None): A language of spaCy's, whose tokenizer splits them.
    pipeline (str | None): A spaCy pipeline that splits them instead.
    size (str): Of a new model.
    source (str | None): A model to continue from, with the kind of softmax that it has.
    options (Path | None): An options.json with the sizes of a new model, and maybe with what bilm-tf's trainer
        reads in it, which becomes settings of the config.
    RETURNS (tuple): The text, and notes on what was translated.
    RAISES (ElmoError): If there is no such size or format, or for options that no model can have. As
        `spacy_elmo.load` for a source that cannot be read.
    """
    from ..bilm.fields import read_json
    from ..bilm.options import Options
    from ..pretraining.bilm_tf import translate_options
    from ..pretraining.config import SIZES, format_config, match_softmax
    from ..weights.source import read_weights

    if size not in SIZES:
        raise ElmoError(Errors.EL030.format(what="size", got=size, allowed=", ".join(SIZES)))
    if format is not None and format not in FORMATS:
        raise ElmoError(Errors.EL030.format(what="format", got=format, allowed=", ".join(FORMATS)))
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format)
    softmax = match_softmax(read_weights(source)) if source else None
    sizes, settings = None, None
    notes: list[str] = []
    if options is not None:
        if not options.is_file():
            raise ElmoFileNotFoundError(Errors.EL026.format(path=options, closest="Give an options.json."))
        data = read_json(options)
        sizes = replace(Options.from_dict(data, where=str(options)), training={}).to_dict()
        settings, notes = translate_options(data, where=str(options))
    text = format_config(
        train=train,
        dev=dev,
        format=format,
        pipeline=CORPUS_PIPELINE if chosen is None else chosen,
        size=size,
        source=source,
        softmax=softmax,
        options=sizes,
        settings=settings,
    )
    return text, notes
