"""What a user sees of a download: a bar a file on a terminal, one line elsewhere."""

import sys
from types import TracebackType
from typing import Any

from .attempt import Report


class Progress:
    """Shown on stderr while the files of a model are fetched.

    name: of the model. host: where they are fetched from first. size: of all, in bytes, None if not known.
    """

    def __init__(self, name: str, *, n_files: int, host: str, size: int | None, quiet: bool):
        self._name = name
        self._n_files = n_files
        self._bars: Any = None
        if quiet:
            return
        # Imported for a download only.
        from rich.console import Console
        from rich.filesize import decimal

        console = Console(stderr=True)
        if console.is_terminal:
            self._bars = _bars(console)
        else:
            how_much = "" if size is None else f" ({decimal(size)})"
            print(f"Fetching {name} from {host}{how_much}", file=sys.stderr, flush=True)

    def __enter__(self) -> "Progress":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def add_file(self, number: int) -> Report:
        """A bar for the file of this number, from 1 up. RETURNS: what moves it."""
        if self._bars is None:
            return lambda done, total: None
        task = self._bars.add_task(f"{self._name} {number}/{self._n_files}", total=None)
        return lambda done, total: self._bars.update(task, completed=done, total=total)


def _bars(console: Any) -> Any:
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    name = TextColumn("{task.description}", markup=False)
    return Bars(name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=console)
