"""The course of a run as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import Errors
from ..util.plotting import picture
from .log import read_log


def plot_run(log: Path, output: Path) -> None:
    """Draw the losses of a run's log: training above, the held-out text's perplexity and the learning rate below.

    RAISES: FileNotFoundError if there is no log; ValueError if nothing is logged yet; as `picture`.
    """
    if not log.is_file():
        raise FileNotFoundError(Errors.EL026.format(path=log, closest="Give the folder of a pre-training run."))
    entries = read_log(log)
    if not any("loss" in entry for entry in entries):
        raise ValueError(Errors.EL069.format(path=log))
    with picture(output, size=(8, 8)) as figure:
        from matplotlib.ticker import ScalarFormatter

        losses, perplexity, rate = figure.subplots(3, 1, sharex=True)
        for name in ("forward", "backward"):
            losses.plot(*_series(entries, name), label=name, linewidth=1)
        losses.set_ylabel("training loss, nats a token")
        losses.legend()
        perplexity.plot(*_series(entries, "dev_perplexity"), marker=".", color="tab:green")
        perplexity.set_ylabel("held-out perplexity")
        perplexity.set_yscale("log")
        # A falling curve may never cross a power of ten, and 9 x 10^1 is no number that anyone says.
        perplexity.yaxis.set_major_formatter(ScalarFormatter())
        perplexity.yaxis.set_minor_formatter(ScalarFormatter())
        rate.plot(*_series(entries, "learn_rate"), color="tab:gray")
        rate.set_ylabel("learning rate")
        rate.set_xlabel("epoch")


def _series(entries: Sequence[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    found = [entry for entry in entries if name in entry]
    return [entry["epoch"] for entry in found], [entry[name] for entry in found]
