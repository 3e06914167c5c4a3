"""`spacy-elmo download`: a published model into the user's cache."""

from typing import Annotated

import typer
from typer import Argument, Option

from ..weights.catalogue import BUNDLED
from ..weights.fetch.model_cache import fetch


def download_cli(
    name: Annotated[str, Argument(metavar="NAME", help="As `spacy-elmo models` lists them.")],
    force: Annotated[bool, Option("--force", help="Download it again, even if it is in the cache.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print the folder only.")] = False,
) -> None:
    """Fetch a published model, and print the folder that it is in.

    The name serves as a source from then on, without a network. SPACY_ELMO_CACHE moves the cache,
    SPACY_ELMO_MIRROR is another place to fetch from, SPACY_ELMO_OFFLINE forbids to fetch.
    """
    folder = fetch(name, force=force, quiet=quiet)
    if name == BUNDLED and not quiet:
        typer.echo(f"{name} comes with the package: nothing to download.", err=True)
    typer.echo(folder)
