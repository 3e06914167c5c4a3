"""Warnings about input files, which a caller can collect, to reword or drop them."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def warn(text: str, *, stacklevel: int = 2) -> None:
    """Give a warning, or pass it to `collect_warnings` of this thread.

    text (str): The message, with its code.
    stacklevel (int): As for `warnings.warn`.
    """
    collected = _collected.get()
    if collected is None:
        warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)
    else:
        collected.append(text)


@contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect the texts that `warn` is called with in this thread, instead of giving them.

    `warnings.catch_warnings` would change the filters of all threads, and two at a time may leave them changed.

    YIELDS (list[str]): The texts so far.
    """
    collected: list[str] = []
    token = _collected.set(collected)
    try:
        yield collected
    finally:
        _collected.reset(token)
