"""`spacy-elmo plot`: logs of training -> a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.plotting import check_picture
from .curves import curve_of, is_curve, plot_curves
from .names import distinct_names
from .outputs import Force, check_no_stdout, check_output

RUN_HELP = (
    "The folder of a pre-training run; or logs of `spacy train`, as many as you like: files that "
    "spacy.ConsoleLogger.v3 wrote as its output_file, or folders with one that is called log.jsonl."
)


def plot_cli(
    runs: Annotated[list[Path], Argument(metavar="RUN", help=RUN_HELP)],
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The .png, .svg or .pdf to write.")],
    force: Force = False,
) -> None:
    """Draw the course of training.

    Of a pre-training run: losses, held-out perplexity and learning rate. Of `spacy train`: scores by step, all
    runs in one picture.
    """
    plot(runs, output, force=force)
    typer.echo(f"Wrote {output}", err=True)


def plot(runs: Sequence[Path], output: Path, *, force: bool = True) -> None:
    """Draw one pre-training run, or any number of logs of `spacy train`; which it is, their lines tell.

    force: replace a picture that is there.
    RAISES (FileNotFoundError): If there is no log.
    RAISES (ElmoError): For a log that is empty or of neither kind, or for a pre-training run among several; as
        `check_output` and `check_picture`.
    """
    from ..pretraining.log import plot_run, read_log
    from ..pretraining.run import LOG_NAME

    check_no_stdout(output, "a picture")
    check_picture(output)
    logs = [run if run.is_file() else run / LOG_NAME for run in runs]
    curves = []
    for log, name in zip(logs, distinct_names(runs)):
        if not log.is_file():
            closest = "Give a log of `spacy train`, or the folder of a run that contains one."
            raise ElmoFileNotFoundError(Errors.EL026.format(path=log, closest=closest))
        entries = read_log(log)
        if not entries:
            raise ElmoError(Errors.EL069.format(path=log))
        if is_curve(entries):
            curves.append(curve_of(name, entries))
        elif not all(isinstance(entry, dict) and "batch" in entry for entry in entries):
            raise ElmoError(Errors.EL115.format(path=log))
        elif len(runs) > 1:
            raise ElmoError(Errors.EL116.format(path=log))
    check_output(output, logs, force=force, what="a picture")
    if curves:
        plot_curves(curves, output)
    else:
        plot_run(logs[0], output)
