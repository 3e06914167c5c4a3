"""A progress bar with tokens per second."""

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class ProgressBar:
    """A bar on the console, fed with (share done, tokens so far). what: is done to the tokens."""

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

    def __exit__(self, *exc: Any) -> None:
        self._progress.stop()

    def __call__(self, done: float, n_tokens: int) -> None:
        if self._start is None:
            # The time before that went to imports and the model.
            self._start, self._first = time.perf_counter(), n_tokens
        speed = (n_tokens - self._first) / max(time.perf_counter() - self._start, 1e-9)
        self._progress.update(self._task, completed=done, speed=f"{speed:,.0f} tokens/s")
