"""`spacy-elmo download`: downloads a published model into the user's cache."""

from typing import Annotated

import typer
from typer import Argument, Option

from ..errors import ElmoError, Errors
from ..weights.catalogue import BUNDLED
from ..weights.source import find_release, show_source
from .options import unpack_source

NAME_HELP = (
    "A name from `spacy-elmo models`, hf://owner/name, or the address of an archive, a file or a folder of a "
    "model; or two addresses: the options, the weights."
)


def download_cli(
    source: Annotated[list[str], Argument(metavar="NAME", help=NAME_HELP)],
    force: Annotated[bool, Option("--force", help="Download the model even if it is in the cache.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="Print the folder only.")] = False,
) -> None:
    """Download a published model, and print its folder. Non-commercial licences are said before.

    After that, the name can be used as a source without a network. Environment variables: SPACY_ELMO_CACHE is the
    folder of the cache, SPACY_ELMO_MIRROR is the place to download from, SPACY_ELMO_OFFLINE=1 prevents downloads.
    """
    # Imported here because a download brings much along, and every command imports this module.
    from ..weights.fetch.model_cache import fetch

    name = source[0]
    release = None if source in ([""], [BUNDLED]) else find_release(unpack_source(source))
    if release is None and len(source) > 1:
        raise ElmoError(Errors.EL287.format(got=show_source(source)))
    folder = fetch(release or name, force=force, quiet=quiet)
    if name == BUNDLED and not quiet:
        typer.echo(f"{name} comes with the package: nothing to download.", err=True)
    typer.echo(folder)
