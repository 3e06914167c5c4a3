"""All commands in one typer application."""

from collections.abc import Callable
from typing import Annotated

import typer

from .. import __version__
from .command import Command
from .demo import demo_cli
from .download import download_cli
from .embed import embed_cli
from .export import convert_cli, export_cli
from .info import info_cli
from .init_config import init_config_cli
from .init_pretrain import init_pretrain_cli
from .mix import mix_cli
from .models import models_cli
from .perplexity import perplexity_cli
from .plot import plot_cli
from .pretrain import ALLOW_OVERRIDES, pretrain_cli
from .serve import serve_cli
from .substitutes import substitutes_cli
from .vocab import vocab_cli
from .warm import warm_cli

app = typer.Typer(
    name="spacy-elmo",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="ELMo for spaCy: embed text, inspect models, train new ones.",
    no_args_is_help=True,
    # Panels would wrap error messages, which users copy and search for.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _add(function: Callable[..., None], *, context_settings: dict[str, bool] | None = None) -> None:
    name = function.__name__.removesuffix("_cli").replace("_", "-")
    # The whole summary: typer would shorten it.
    summary = " ".join((function.__doc__ or "").split("\n\n")[0].split())
    app.command(name, cls=Command, short_help=summary, context_settings=context_settings)(function)


_add(convert_cli)
_add(demo_cli)
_add(download_cli)
_add(embed_cli)
_add(export_cli)
_add(info_cli)
_add(init_config_cli)
_add(init_pretrain_cli)
_add(mix_cli)
_add(models_cli)
_add(perplexity_cli)
_add(plot_cli)
_add(pretrain_cli, context_settings=ALLOW_OVERRIDES)
_add(serve_cli)
_add(substitutes_cli)
_add(vocab_cli)
_add(warm_cli)


def _print_version(is_given: bool) -> None:
    if is_given:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _add_version_option(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
