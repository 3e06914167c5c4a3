"""`spacy-elmo init-config`: converts a spaCy training config to ELMo, or creates a new one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from ..errors import ElmoError, Errors, printable
from ..util.atomic import atomic_write
from ..weights.catalogue import BUNDLED
from .options import SourceOption, unpack_source
from .outputs import check_output, is_stdout

if TYPE_CHECKING:
    from confection import Config

    from .elmo_config.convert import Choice, Converted

PATHS_HELP = "The config to convert, and the file to write (- prints it). Without CONFIG, give --pipeline."
PIPELINE_HELP = "Create a config for these components, such as tagger,parser,ner, by `spacy init config`."
POOLING_HELP = "The layer that components read, such as lstm_outputs1. Default: each learns its own mix of all."
CODE_HELP = "A Python file with registered functions that the config uses."


def init_config_cli(
    paths: Annotated[list[Path], Argument(metavar="[CONFIG] OUTPUT", help=PATHS_HELP)],
    lang: Annotated[
        str | None, Option("--lang", "-l", metavar="LANG", help="The language, with --pipeline. Default: en.")
    ] = None,
    pipeline: Annotated[str | None, Option("--pipeline", "-p", metavar="NAMES", help=PIPELINE_HELP)] = None,
    source: SourceOption = None,
    upstream_name: Annotated[
        str, Option(metavar="NAME", help="The name of the component that embeds.")
    ] = "elmo_embedder",
    pooling_layer: Annotated[str | None, Option(metavar="LAYER", help=POOLING_HELP)] = None,
    frozen: Annotated[bool, Option("--frozen/--no-frozen", help="Leave ELMo unchanged, or train it too.")] = True,
    code: Annotated[Path | None, Option("--code", "-c", metavar="FILE", help=CODE_HELP)] = None,
    force: Annotated[bool, Option("--force", "-F", help="Replace an existing file.")] = False,
) -> None:
    """Convert a spaCy training config to ELMo.

    One component embeds, in place of a tok2vec or transformer; all others that learn from vectors listen to it.
    All other settings stay, but comments in the file are lost.
    """
    from .elmo_config.convert import Choice
    from .elmo_config.file import format_config

    *config_path, output = paths
    to_file = not is_stdout(output)
    given = {"--pipeline": pipeline, "--lang": lang, "--code": code}
    alone = ["--code"] if pipeline else ["--lang"]
    if len(config_path) > 1 or bool(config_path) == bool(pipeline) or any(given[option] for option in alone):
        got = [f"{len(paths)} file(s)", *(option for option, value in given.items() if value)]
        raise ElmoError(Errors.EL113.format(got=", ".join(got)))
    if to_file:
        check_output(output, force=force)
    choice = Choice(
        source=unpack_source(source or [BUNDLED]),
        name=upstream_name,
        pooling_layer=pooling_layer,
        frozen=frozen,
    )
    if pipeline:
        names = [name.strip() for name in pipeline.split(",")]
        config, listening, notes = init_config(lang=lang or "en", pipeline=names, choice=choice)
    else:
        config, listening, notes = convert(config_path[0], choice=choice, code=code)
    if to_file:
        with atomic_write(output) as temporary:
            temporary.write_text(format_config(config) + "\n", "utf-8")
        typer.echo(printable(f"Wrote {output}: {', '.join(listening)} on '{upstream_name}'."), err=True)
    else:
        typer.echo(format_config(config))
    for note in notes:
        typer.echo(f"- {printable(note)}", err=True)
    if to_file:
        typer.echo(
            f"Train with: spacy train {output} --paths.train TRAIN --paths.dev DEV --output FOLDER", err=True
        )


def convert(path: Path, *, choice: "Choice", code: Path | None = None) -> "Converted":
    """Convert a config file to ELMo.

    path (Path): The config.
    choice (Choice): Settings of the embedder and its listeners.
    code (Path | None): A Python file that registers functions which the config uses.
    RETURNS (Converted): The complete new config, and what changed.
    RAISES (ElmoError): If the file is not a training config, or cannot be converted.
    RAISES (FileNotFoundError, ElmoError): If the source cannot be read.
    """
    from spacy.util import import_file

    from .elmo_config.file import read_config

    if code is not None:
        import_file("python_code", code)
    return _convert(read_config(path), choice, where=f"'{path}'")


def init_config(*, lang: str, pipeline: list[str], choice: "Choice") -> "Converted":
    """Create the config that spaCy recommends for a pipeline, and convert it to ELMo.

    lang (str): The code of the language.
    pipeline (list[str]): The components.
    choice (Choice): Settings of the embedder and its listeners.
    RETURNS (Converted): The complete new config, and what changed.
    RAISES (ElmoError): For a language or a component that spaCy does not have; and as `convert`.
    """
    from spacy.cli.init_config import init_config as recommend

    # For accuracy: the config for efficiency gives textcat no layer that could listen.
    try:
        config = recommend(lang=lang, pipeline=pipeline, optimize="accuracy", silent=True)
    except (ValueError, ImportError) as error:
        names, reason = ",".join(pipeline), str(error).rstrip(". \n")
        raise ElmoError(Errors.EL227.format(pipeline=names, lang=lang, reason=reason)) from error
    # They were recommended for layers that are removed.
    config["paths"]["vectors"] = None
    return _convert(config, choice, where="spaCy's recipe for this pipeline")


def _convert(config: "Config", choice: "Choice", *, where: str) -> "Converted":
    from ..bilm.layers import resolve_layers
    from ..weights.source import read_weights
    from .elmo_config.convert import convert_config
    from .elmo_config.file import fill_config

    options = read_weights(choice.source).options
    if choice.pooling_layer is not None:
        resolve_layers([choice.pooling_layer], n_layers=options.lstm.n_layers)
    converted = convert_config(config, choice, where=where)
    return converted._replace(config=fill_config(converted.config))
