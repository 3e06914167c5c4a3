"""The course of `spacy train` as a picture: what spacy.ConsoleLogger.v3 writes with `output_file`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..util.plotting import picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIELDS = ("step", "score")


class Curve(NamedTuple):
    """steps, scores: of each evaluation; scores are from 0 to 1, weighted as the config's score_weights say."""

    name: str
    steps: list[int]
    scores: list[float]


def is_curve(entries: Sequence[Any]) -> bool:
    """Whether the lines of a log are those of `spacy train`."""
    return all(isinstance(entry, dict) and all(field in entry for field in _FIELDS) for entry in entries)


def curve_of(name: str, entries: Sequence[dict[str, Any]]) -> Curve:
    return Curve(name, *([entry[field] for entry in entries] for field in _FIELDS))


def plot_curves(curves: Sequence[Curve], output: Path) -> None:
    """Draw the scores of all runs over their steps. RAISES: as `picture`."""
    with picture(output, size=(8, 5)) as figure:
        draw_curves(figure, curves)


def draw_curves(figure: "Figure", curves: Sequence[Curve]) -> None:
    """One line a run, its best evaluation told in the legend."""
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
