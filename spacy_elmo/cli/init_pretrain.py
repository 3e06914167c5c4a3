"""`spacy-elmo init-pretrain`: a config for `spacy-elmo pretrain`."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from typer import Argument, Option

from ..errors import Errors
from ..inputs.files import FORMATS
from ..weights.atomic import atomic_write
from .inputs import FORMAT_HELP, choose_pipeline


def init_pretrain_cli(
    config_path: Annotated[Path, Argument(metavar="CONFIG", help="The file to write; - prints it.")],
    train: Annotated[Optional[str], Option(help="The text to train on.")] = None,
    dev: Annotated[Optional[str], Option(help="Held-out text to measure.")] = None,
    format: Annotated[Optional[str], Option(help=FORMAT_HELP)] = None,
    lang: Annotated[Optional[str], Option(help="Language whose tokenizer splits the text. Default: en.")] = None,
    pipeline: Annotated[Optional[str], Option(help="A spaCy pipeline that splits the text instead.")] = None,
    size: Annotated[str, Option(help="sm, as the bundled model, or original, as published.")] = "sm",
    source: Annotated[
        Optional[str], Option("--source", "-s", help="Continue from this model instead: one pass over the text.")
    ] = None,
    force: Annotated[bool, Option("--force", "-F", help="Replace the file if there is one.")] = False,
) -> None:
    """Write a config with every setting of pre-training and its default."""
    text = init_pretrain(
        train=train, dev=dev, format=format, lang=lang, pipeline=pipeline, size=size, source=source
    )
    if str(config_path) == "-":
        typer.echo(text)
        return
    if config_path.exists() and not force:
        raise FileExistsError(Errors.EL068.format(path=config_path))
    with atomic_write(config_path) as temporary:
        temporary.write_text(text + "\n", "utf-8")
    typer.echo(f"Wrote {config_path}. Train with: spacy-elmo pretrain {config_path} --output FOLDER", err=True)


def init_pretrain(
    *,
    train: Optional[str] = None,
    dev: Optional[str] = None,
    format: Optional[str] = None,
    lang: Optional[str] = None,
    pipeline: Optional[str] = None,
    size: str = "sm",
    source: Optional[str] = None,
) -> str:
    """The config's text. To continue from a source, with the kind of softmax that it has.

    RAISES: ValueError if there is no such size or format; as `spacy_elmo.load` for a source that cannot be read.
    """
    from ..pretraining.template import SIZES, config_text, softmax_like
    from ..weights.source import read_weights

    if size not in SIZES:
        raise ValueError(Errors.EL030.format(what="size", got=size, allowed=", ".join(SIZES)))
    if format is not None and format not in FORMATS:
        raise ValueError(Errors.EL030.format(what="format", got=format, allowed=", ".join(FORMATS)))
    chosen = choose_pipeline(lang=lang, pipeline=pipeline, format=format) or "blank:en"
    softmax = softmax_like(read_weights(source)) if source else None
    return config_text(
        train=train, dev=dev, format=format, pipeline=chosen, size=size, source=source, softmax=softmax
    )
