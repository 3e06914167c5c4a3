"""`spacy-elmo mix`: shows the weights of ELMo's layers that components of trained pipelines have learned."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer import Argument, Option, echo

from ..errors import ElmoError, Errors, printable
from ..util.plotting import check_picture, picture
from ..weights.urls import hide_secrets, safe_url
from .options import Force
from .outputs import check_output
from .plot import shorten_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..pipeline.mixes import LearnedMix

PIPELINE_HELP = "The folder of a saved pipeline, or the name of an installed one."
OUTPUT_HELP = "Also draw the mixes to this .png, .svg or .pdf; requires matplotlib."
# Characters per line if standard output is not a terminal.
_WIDTH = 160


def mix_cli(
    pipelines: Annotated[list[str], Argument(metavar="PIPELINE", help=PIPELINE_HELP)],
    output: Annotated[Path | None, Option("--output", "-o", metavar="FILE", help=OUTPUT_HELP)] = None,
    force: Force = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the share of each layer, and gamma, that each component has learned.

    A share is a layer's weight after the softmax; gamma scales the sum (Peters et al. 2018, equation 1).
    """
    mixes = mix(pipelines, output, force=force)
    if as_json:
        echo(json.dumps([mix._asdict() for mix in mixes], indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        console.print(make_table(mixes))
    if output is not None:
        echo(f"Wrote {output}", err=True)


def mix(pipelines: Sequence[str], output: Path | None = None, *, force: bool = True) -> "list[LearnedMix]":
    """Read the mixes of pipelines.

    pipelines (Sequence[str]): Folders or names of pipelines.
    output (Path | None): A picture to draw.
    force (bool): Whether to replace an existing picture.
    RETURNS (list[LearnedMix]): The mixes, named pipeline/component if there are several pipelines.
    RAISES (ElmoError): If a pipeline cannot be loaded or has no mix; and as `check_output` and `check_picture`.
    """
    import spacy

    from ..pipeline.mixes import find_mixes

    if output is not None:
        check_output(output, force=force, what="a picture")
        check_picture(output)
    found: list[LearnedMix] = []
    for pipeline, name in zip(pipelines, shorten_names([Path(pipeline) for pipeline in pipelines])):
        try:
            nlp = spacy.load(pipeline)
        except (OSError, ImportError, ValueError) as error:
            raise ElmoError(
                Errors.EL117.format(got=safe_url(pipeline), reason=hide_secrets(str(error), ""))
            ) from error
        mixes = find_mixes(nlp)
        if not mixes:
            components = ", ".join(nlp.component_names) or "none"
            raise ElmoError(Errors.EL118.format(name=pipeline, components=components))
        found += mixes if len(pipelines) == 1 else [mix._replace(name=f"{name}/{mix.name}") for mix in mixes]
    if output is not None:
        # The height grows with the number of rows.
        with picture(output, size=(7, 1.5 + 0.45 * len(found))) as figure:
            draw_mixes(figure, found)
    return found


def make_table(mixes: "Sequence[LearnedMix]") -> Table:
    """Make a table with one row per mix and one column per layer.

    mixes (Sequence[LearnedMix]): The mixes.
    RETURNS (Table): The table.
    """
    from ..pipeline.mixes import list_mixed_layers

    layers = list_mixed_layers(mixes)
    table = Table()
    table.add_column("mix", no_wrap=True)
    for layer in (*layers, "gamma"):
        table.add_column(layer, justify="right")
    for mix in mixes:
        shares = [f"{share:.1%}" for share in mix.shares]
        table.add_row(
            escape(printable(mix.name)), *shares, *[""] * (len(layers) - len(shares)), f"{mix.gamma:.3f}"
        )
    return table


def draw_mixes(figure: "Figure", mixes: "Sequence[LearnedMix]") -> None:
    """Draw a heat map as in figure 2 of Peters et al. 2018: one row per mix, one column per layer.

    figure (Figure): The figure to draw in.
    mixes (Sequence[LearnedMix]): The mixes.
    """
    from ..pipeline.mixes import list_mixed_layers

    layers = list_mixed_layers(mixes)
    axes = figure.subplots()
    rows = [[*mix.shares, *[float("nan")] * (len(layers) - len(mix.shares))] for mix in mixes]
    image = axes.imshow(rows, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for k, mix in enumerate(mixes):
        for layer, share in enumerate(mix.shares):
            axes.text(
                layer, k, f"{share:.2f}", ha="center", va="center", color="white" if share > 0.5 else "black"
            )
    axes.set_xticks(range(len(layers)), layers)
    axes.set_yticks(range(len(mixes)), [f"{mix.name}  (γ = {mix.gamma:.2f})" for mix in mixes])
    figure.colorbar(image, ax=axes, label="share")
