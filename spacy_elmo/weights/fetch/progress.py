"""Progress of a download: a bar for each file on a terminal, one line elsewhere."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from ...bilm.fields import show
from .attempt import Report

if TYPE_CHECKING:
    import rich.progress
    from rich.console import Console


# Characters of a model's name beside a bar, and in the line.
_MOST_OF_A_NAME, _MOST_SHOWN = 30, 300


class Progress:
    """Shows on stderr how the download of a model's files proceeds."""

    def __init__(
        self, name: str, *, n_files: int, host: str, size: int | None, quiet: bool, is_first: bool = True
    ):
        """Announce the download.

        name (str): The name of the model.
        n_files (int): The number of its files.
        host (str): The first host to download from.
        size (int | None): The size of all files in bytes; None if it is not known.
        quiet (bool): Show nothing.
        is_first (bool): Whether to announce it where there is no terminal.
        """
        # The end of an address is its file; all of it would leave no room for the bar.
        self._name = name if len(name) <= _MOST_OF_A_NAME else f"...{name[3 - _MOST_OF_A_NAME :]}"
        self._n_files = n_files
        self._bars: rich.progress.Progress | None = None
        if quiet:
            return
        # Imported here because only a download needs them.
        from rich.console import Console
        from rich.filesize import decimal

        console = Console(stderr=True)
        if console.is_terminal:
            self._bars = _bars(console)
        elif is_first:
            how_much = "" if size is None else f" ({decimal(size)})"
            print(f"Fetching {show(name, _MOST_SHOWN)} from {host}{how_much}", file=sys.stderr, flush=True)

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
        """Add the bar of a file.

        number (int): The number of the file, from 1.
        RETURNS (Report): A function that moves the bar.
        """
        bars = self._bars
        if bars is None:
            return lambda done, total: None
        task = bars.add_task(f"{self._name} {number}/{self._n_files}", total=None)
        return lambda done, total: bars.update(task, completed=done, total=total)


def _bars(console: "Console") -> "rich.progress.Progress":
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    name = TextColumn("{task.description}", markup=False)
    return Bars(name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=console)
