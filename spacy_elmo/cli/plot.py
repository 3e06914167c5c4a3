"""`spacy-elmo plot`: logs of training -> a picture."""

from pathlib import Path
from typing import Annotated, List, Sequence

import typer
from typer import Argument, Option

from ..errors import Errors
from ..pictures import check_picture
from .curves import curve_of, is_curve, plot_curves
from .names import distinct_names
from .outputs import Force, check_new_file

RUN_HELP = (
    "The folder of a pre-training run; or logs of `spacy train`, as many as you like: files that "
    "spacy.ConsoleLogger.v3 wrote as its output_file, or folders with one that is called log.jsonl."
)


def plot_cli(
    runs: Annotated[List[Path], Argument(metavar="RUN...", help=RUN_HELP)],
    output: Annotated[Path, Option("--output", "-o", help="The .png, .svg or .pdf to write.")],
    force: Force = False,
) -> None:
    """Draw the course of training.

    Of a pre-training run: losses, held-out perplexity and learning rate. Of `spacy train`: scores by step, all
    runs in one picture.
    """
    check_new_file(output, force=force, what="a picture")
    plot(runs, output)
    typer.echo(f"Wrote {output}", err=True)


def plot(runs: Sequence[Path], output: Path) -> None:
    """Draw one pre-training run, or any number of logs of `spacy train`; which it is, their lines tell.

    RAISES: FileNotFoundError if there is no log; ValueError for a log that is empty or of neither kind, or for a
        pre-training run among several; as `check_picture`.
    """
    from ..pretraining.log import read_log
    from ..pretraining.plot import plot_run
    from ..pretraining.run import LOG_NAME

    check_picture(output)
    curves = []
    for run, name in zip(runs, distinct_names(runs)):
        log = run if run.is_file() else run / LOG_NAME
        if not log.is_file():
            closest = "Give a log of `spacy train`, or the folder of a run that holds one."
            raise FileNotFoundError(Errors.EL026.format(path=log, closest=closest))
        entries = read_log(log)
        if not entries:
            raise ValueError(Errors.EL069.format(path=log))
        if is_curve(entries):
            curves.append(curve_of(name, entries))
        elif not all(isinstance(entry, dict) and "batch" in entry for entry in entries):
            raise ValueError(Errors.EL115.format(path=log))
        elif len(runs) > 1:
            raise ValueError(Errors.EL116.format(path=log))
        else:
            plot_run(log, output)
    if curves:
        plot_curves(curves, output)
