"""A progress bar on stderr."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def show_progress(items: Iterable[T], *, total: int | None, description: str) -> Iterator[T]:
    """Pass items on, and show how many there were.

    items (Iterable[T]): Read one by one.
    total (int | None): How many there are; None: not known.
    description (str): What is done.
    YIELDS (T): The items.
    """
    # Imported for those who look on only.
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
