"""A progress bar on stderr."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def show_progress(items: Iterable[T], *, total: int | None, description: str) -> Iterator[T]:
    """Show a progress bar while items are read.

    items (Iterable[T]): The items.
    total (int | None): Their number; None if it is not known.
    description (str): The text beside the bar.
    YIELDS (T): Each item.
    """
    # Imported here because most calls show no progress.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield from progress.track(items, total=total, description=description)
