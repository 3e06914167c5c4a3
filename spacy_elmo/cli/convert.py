"""`spacy-elmo convert`: a model in any published format -> our folder."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from .command import choices
from .export import DTYPE_HELP, DTYPES, FOLDER_HELP, Exported, export, summary
from .info import SOURCE_HELP
from .outputs import Force


def convert_cli(
    source: Annotated[list[str], Argument(metavar="SOURCE", help=SOURCE_HELP)],
    folder: Annotated[Path, Argument(metavar="FOLDER", help=FOLDER_HELP)],
    dtype: Annotated[str | None, Option(help=DTYPE_HELP, **choices(DTYPES))] = None,
    mix: Annotated[
        int, Option(min=0, metavar="N", help="Of several trained scalar mixes, the one that becomes `elmo`.")
    ] = 0,
    force: Force = False,
) -> None:
    """Write a model as options.json and weights.safetensors, which need no other package and open at once.

    All that the source has is kept: trained scalar mixes, vocabularies, the softmax of a language model.
    """
    converted = convert(source[0] if len(source) == 1 else source, folder, dtype=dtype, mix=mix, force=force)
    typer.echo(summary(converted, folder), err=True)


def convert(source: Any, folder: Path, *, dtype: str | None = None, mix: int = 0, force: bool = True) -> Exported:
    """Write a model into a folder, which `spacy_elmo.load` reads.

    source: as for `spacy_elmo.load`. All else, and RAISES: as `export`.
    """
    return export(source, folder, dtype=dtype, mix=mix, force=force)
