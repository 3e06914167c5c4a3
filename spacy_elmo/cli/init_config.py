"""`spacy-elmo init-config`: a spaCy training config on ELMo, made of one without."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from ..errors import ElmoError, Errors, printable
from ..util.atomic import atomic_write
from ..weights.catalogue import BUNDLED
from .embed import SOURCE_HELP
from .outputs import check_output, is_stdout

if TYPE_CHECKING:
    from .elmo_config import Choice, Converted

PATHS_HELP = "The config to convert, and the file to write; - prints it. Without CONFIG: see --pipeline."
PIPELINE_HELP = "Start from spaCy's own recipe for these components instead of a config, as tagger,parser,ner."
POOLING_HELP = "Let components read this layer, such as lstm_outputs1. Default: each learns its own mix of all."
CODE_HELP = "A Python file to import first, with functions that the config names."


def init_config_cli(
    paths: Annotated[list[Path], Argument(metavar="[CONFIG] OUTPUT", help=PATHS_HELP)],
    lang: Annotated[
        str | None, Option("--lang", "-l", metavar="LANG", help="Language, with --pipeline. Default: en.")
    ] = None,
    pipeline: Annotated[str | None, Option("--pipeline", "-p", metavar="NAMES", help=PIPELINE_HELP)] = None,
    source: Annotated[list[str] | None, Option("--source", "-s", metavar="SOURCE", help=SOURCE_HELP)] = None,
    upstream_name: Annotated[
        str, Option(metavar="NAME", help="Name of the component that embeds.")
    ] = "elmo_embedder",
    pooling_layer: Annotated[str | None, Option(metavar="LAYER", help=POOLING_HELP)] = None,
    frozen: Annotated[bool, Option("--frozen/--no-frozen", help="Keep ELMo unchanged, or train it too.")] = True,
    code: Annotated[Path | None, Option("--code", "-c", metavar="FILE", help=CODE_HELP)] = None,
    force: Annotated[bool, Option("--force", "-F", help="Replace an existing file.")] = False,
) -> None:
    """Put a spaCy training config on ELMo.

    One component embeds, in place of a tok2vec or transformer; all others that learn from vectors listen to it.
    Everything else stays, but comments in the file are lost.
    """
    from .config_file import config_text
    from .elmo_config import Choice

    *config_path, output = paths
    to_file = not is_stdout(output)
    given = {"--pipeline": pipeline, "--lang": lang, "--code": code}
    alone = ["--code"] if pipeline else ["--lang"]
    if len(config_path) > 1 or bool(config_path) == bool(pipeline) or any(given[option] for option in alone):
        got = [f"{len(paths)} file(s)", *(option for option, value in given.items() if value)]
        raise ElmoError(Errors.EL113.format(got=", ".join(got)))
    if to_file:
        check_output(output, force=force)
    parts = source or [BUNDLED]
    choice = Choice(
        source=parts[0] if len(parts) == 1 else parts,
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
            temporary.write_text(config_text(config) + "\n", "utf-8")
        typer.echo(printable(f"Wrote {output}: {', '.join(listening)} on '{upstream_name}'."), err=True)
    else:
        typer.echo(config_text(config))
    for note in notes:
        typer.echo(f"- {printable(note)}", err=True)
    if to_file:
        typer.echo(
            f"Train with: spacy train {output} --paths.train TRAIN --paths.dev DEV --output FOLDER", err=True
        )


def convert(path: Path, *, choice: "Choice", code: Path | None = None) -> "Converted":
    """The config of a file on ELMo, with every setting.

    code: a Python file that registers functions which the config names.
    RAISES (ElmoError): For what is no training config, or none that can be put on ELMo.
    RAISES (FileNotFoundError, ElmoError): For a source that cannot be read.
    """
    from spacy.util import import_file

    from .config_file import read_config

    if code is not None:
        import_file("python_code", code)
    return _on_elmo(read_config(path), choice, where=f"'{path}'")


def init_config(*, lang: str, pipeline: list[str], choice: "Choice") -> "Converted":
    """spaCy's recipe for a pipeline, on ELMo, with every setting.

    RAISES (ElmoError): For a language or components that spaCy does not know, and as `convert`.
    """
    from spacy.cli.init_config import init_config as recipe

    # The recipe for accuracy: that for efficiency has no layer in a textcat that could listen.
    try:
        config = recipe(lang=lang, pipeline=pipeline, optimize="accuracy", silent=True)
    except (ValueError, ImportError) as error:
        names = ",".join(pipeline)
        raise ElmoError(Errors.EL227.format(pipeline=names, lang=lang, reason=error)) from error
    # Recommended for layers that will not be there.
    config["paths"]["vectors"] = None
    return _on_elmo(config, choice, where="spaCy's recipe for this pipeline")


def _on_elmo(config: Any, choice: "Choice", *, where: str) -> "Converted":
    from ..bilm.layers import resolve_layers
    from ..weights.source import read_weights
    from .config_file import filled
    from .elmo_config import to_elmo

    options = read_weights(choice.source).options
    if choice.pooling_layer is not None:
        resolve_layers([choice.pooling_layer], n_layers=options.lstm.n_layers)
    converted = to_elmo(config, choice, where=where)
    return converted._replace(config=filled(converted.config))
