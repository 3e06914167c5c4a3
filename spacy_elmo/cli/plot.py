"""`spacy-elmo plot`: a pre-training run's log -> a picture."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option


def plot_cli(
    run: Annotated[Path, Argument(metavar="RUN", help="The folder of a pre-training run.")],
    output: Annotated[Path, Option("--output", "-o", help="The .png, .svg or .pdf to write.")],
) -> None:
    """Draw the losses, the held-out perplexity and the learning rate of a run."""
    from ..pretraining.plot import plot_run
    from ..pretraining.run import LOG_NAME

    plot_run(run / LOG_NAME, output)
    typer.echo(f"Wrote {output}", err=True)
