"""`spacy-elmo plot`: draws training logs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from typer import Argument, Option

from ..bilm.fields import Json
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.plotting import check_picture, picture
from .options import Force
from .outputs import check_no_stdout, check_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RUN_HELP = (
    "The folder of a pre-training run; or one or more logs of `spacy train`: files that spacy.ConsoleLogger.v3 "
    "wrote as its output_file, or folders that contain one named log.jsonl."
)
_FIELDS = ("step", "score")


class Curve(NamedTuple):
    """The evaluations of one run of `spacy train`.

    name (str): The name of the run in the legend.
    steps (list[int]): The step of each evaluation.
    scores (list[float]): The score of each, from 0 to 1, weighted by the config's score_weights.
    """

    name: str
    steps: list[int]
    scores: list[float]


def plot_cli(
    runs: Annotated[list[Path], Argument(metavar="RUN", help=RUN_HELP)],
    output: Annotated[Path, Option("--output", "-o", metavar="FILE", help="The .png, .svg or .pdf to write.")],
    force: Force = False,
) -> None:
    """Draw the course of training.

    For a pre-training run: losses, held-out perplexity and learning rate. For `spacy train`: the scores of all
    runs by step, in one picture.
    """
    plot(runs, output, force=force)
    typer.echo(f"Wrote {output}", err=True)


def plot(runs: Sequence[Path], output: Path, *, force: bool = True) -> None:
    """Draw one pre-training run, or any number of runs of `spacy train`, as their logs show which they are.

    runs (Sequence[Path]): Logs, or folders that contain one.
    output (Path): The picture to write.
    force (bool): Whether to replace an existing picture.
    RAISES (FileNotFoundError): If a log does not exist.
    RAISES (ElmoError): For an empty log, a log of another program, or a pre-training run among several runs; and
        as `check_output` and `check_picture`.
    """
    from ..pretraining.log import plot_run, read_log
    from ..pretraining.run import LOG_NAME

    check_no_stdout(output, "a picture")
    check_picture(output)
    logs = [run if run.is_file() else run / LOG_NAME for run in runs]
    curves = []
    for log, name in zip(logs, shorten_names(runs)):
        if not log.is_file():
            closest = "Give a log of `spacy train`, or the folder of a run that contains one."
            raise ElmoFileNotFoundError(Errors.EL026.format(path=log, closest=closest))
        entries = read_log(log)
        if not entries:
            raise ElmoError(Errors.EL069.format(path=log))
        if is_curve(entries):
            curves.append(make_curve(name, entries))
        elif not all(isinstance(entry, dict) and "batch" in entry for entry in entries):
            raise ElmoError(Errors.EL115.format(path=log))
        elif len(runs) > 1:
            raise ElmoError(Errors.EL116.format(path=log))
    check_output(output, logs, force=force, what="a picture")
    if curves:
        with picture(output, size=(8, 5)) as figure:
            draw_curves(figure, curves)
    else:
        plot_run(logs[0], output)


def is_curve(entries: Sequence[object]) -> bool:
    """Check whether a log is one of `spacy train`.

    entries (Sequence[object]): The parsed lines of the log.
    RETURNS (bool): Whether all of them are evaluations.
    """
    return all(isinstance(entry, dict) and all(field in entry for field in _FIELDS) for entry in entries)


def make_curve(name: str, entries: Sequence[Json]) -> Curve:
    """Collect the scores of a log.

    name (str): The name of the run.
    entries (Sequence[Json]): The entries of a log of `spacy train`.
    RETURNS (Curve): Its steps and scores.
    """
    return Curve(name, *([entry[field] for entry in entries] for field in _FIELDS))


def draw_curves(figure: "Figure", curves: Sequence[Curve]) -> None:
    """Draw one line per run, with its best evaluation in the legend.

    figure (Figure): The figure to draw in.
    curves (Sequence[Curve]): The runs.
    """
    axes = figure.subplots()
    for name, steps, scores in curves:
        best = max(range(len(scores)), key=scores.__getitem__)
        label = f"{name}: {scores[best]:.4f} at step {steps[best]}"
        [line] = axes.plot(steps, scores, marker=".", linewidth=1, label=label)
        axes.plot(steps[best], scores[best], marker="o", color=line.get_color(), fillstyle="none", markersize=9)
    axes.set_xlabel("step")
    axes.set_ylabel("score of the held-out text")
    axes.grid(alpha=0.3)
    axes.legend(title="best")


def shorten_names(paths: Sequence[Path]) -> list[str]:
    """Find a short name for each path: its last part, after removing endings that all share, such as model-best.

    paths (Sequence[Path]): The paths.
    RETURNS (list[str]): Their names; the whole paths if there is only one, or if short names would be ambiguous.
    """
    whole = [str(path) for path in paths]
    parts = [path.with_suffix("").parts if path.is_file() else path.parts for path in paths]
    if len(paths) == 1 or not all(parts):
        return whole
    while all(len(each) > 1 for each in parts) and len({each[-1] for each in parts}) == 1:
        parts = [each[:-1] for each in parts]
    names = [each[-1] for each in parts]
    return names if len(set(names)) == len(names) else whole
