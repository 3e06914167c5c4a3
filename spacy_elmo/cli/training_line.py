"""What a training run shows: a line that changes, and a line that stays for every measurement of held-out text."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class TrainingLine:
    """A progress line on the console, fed with the entries of the log."""

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

    def __exit__(self, kind: Any, *exc: Any) -> None:
        if kind is not None and self._progress.tasks[0].total is None:
            # Nothing was trained: the message alone is to be read.
            self._progress.live.transient = True
        self._progress.stop()

    def __call__(self, entry: dict[str, Any]) -> None:
        if "start" in entry:
            self._console.print(f"Starting from {entry['start']}", highlight=False, markup=False, soft_wrap=True)
        if "loss" in entry:
            # Without a terminal it shows how it ended, and if nothing was trained, nothing.
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
