"""All commands, as one typer application."""

from typing import Annotated

import typer

from .. import __version__
from .convert import convert_cli
from .demo import demo_cli
from .download import download_cli
from .embed import embed_cli
from .export import export_cli
from .info import info_cli
from .init_config import init_config_cli
from .init_pretrain import init_pretrain_cli
from .mix import mix_cli
from .models import models_cli
from .perplexity import perplexity_cli
from .plot import plot_cli
from .pretrain import ALLOW_OVERRIDES, pretrain_cli
from .substitutes import substitutes_cli
from .vocab import vocab_cli
from .warm import warm_cli

app = typer.Typer(
    name="spacy-elmo",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="ELMo for spaCy: embed text, look into models, train new ones.",
    no_args_is_help=True,
    add_completion=False,
    # Its panels would fold the messages, which are meant to be searched for and copied.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("convert")(convert_cli)
app.command("demo")(demo_cli)
app.command("download")(download_cli)
app.command("embed")(embed_cli)
app.command("export")(export_cli)
app.command("info")(info_cli)
app.command("init-config")(init_config_cli)
app.command("init-pretrain")(init_pretrain_cli)
app.command("mix")(mix_cli)
app.command("models")(models_cli)
app.command("perplexity")(perplexity_cli)
app.command("pretrain", context_settings=ALLOW_OVERRIDES)(pretrain_cli)
app.command("plot")(plot_cli)
app.command("substitutes")(substitutes_cli)
app.command("vocab")(vocab_cli)
app.command("warm")(warm_cli)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
