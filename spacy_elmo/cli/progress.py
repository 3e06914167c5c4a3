"""Progress on the terminal: a bar over input files, and the course of a training run."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..bilm.fields import Json


class ProgressBar:
    """A bar with tokens per second, called with (share done, tokens so far).

    console (Console): Where to draw it; nothing is drawn if the console is quiet or not a terminal.
    what (str): The text before the bar.
    """

    def __init__(self, console: Console, *, what: str = "embedding"):
        self._progress = Progress(
            TextColumn(what), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(), console=console, transient=True,
            disable=console.quiet or not console.is_terminal,
        )  # fmt: skip
        self._start: float | None = None
        self._first = 0

    def __enter__(self) -> "ProgressBar":
        self._progress.start()
        self._task = self._progress.add_task("", total=1.0, speed="")
        return self

    def __exit__(self, *exc: object) -> None:
        # Older versions of rich end the line even of a bar that they have not drawn.
        if not self._progress.disable:
            self._progress.stop()

    def __call__(self, done: float, n_tokens: int) -> None:
        if self._start is None:
            # The time before the first call was spent on imports and on loading the model.
            self._start, self._first = time.perf_counter(), n_tokens
        speed = (n_tokens - self._first) / max(time.perf_counter() - self._start, 1e-9)
        self._progress.update(self._task, completed=done, speed=f"{speed:,.0f} tokens/s")


class TrainingLine:
    """A progress line of a training run, called with each entry of its log. Held-out results stay on the terminal.

    console (Console): Where to print; nothing is printed if the console is quiet.
    """

    def __init__(self, console: Console):
        self._console = console
        self._progress = Progress(
            TextColumn("{task.fields[place]}"), BarColumn(), TaskProgressColumn(),
            TextColumn("{task.fields[facts]}"), TimeRemainingColumn(), console=console, disable=console.quiet,
            speed_estimate_period=600,
        )  # fmt: skip

    def __enter__(self) -> "TrainingLine":
        self._task = self._progress.add_task("", total=None, place="reading text", facts="")
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._progress.tasks[0].total is None:
            # Nothing was trained: remove the line, and leave the error message alone on the terminal.
            self._progress.live.transient = True
        if not self._progress.disable:
            self._progress.stop()

    def __call__(self, entry: Json) -> None:
        if "start" in entry:
            self._console.print(f"Starting from {entry['start']}", highlight=False, markup=False, soft_wrap=True)
        if "loss" in entry:
            # Without a terminal the line is printed once, at the end, and only if something was trained.
            self._progress.start()
            facts = (
                f"epoch {entry['epoch']:.2f}  loss {entry['loss']:.3f}  {entry['tokens_per_second']:,} tokens/s"
            )
            total, done = entry["n_batches"], entry["batch"]
            place = f"batch {done:,} of {total:,}"
            self._progress.update(self._task, total=total, completed=done, place=place, facts=facts)
        if "dev_perplexity" in entry:
            text = (
                f"batch {entry['batch']}: perplexity {entry['dev_perplexity']:.2f} "
                f"(forward {entry['dev_forward']:.2f}, backward {entry['dev_backward']:.2f})"
            )
            self._console.print(text, highlight=False)
