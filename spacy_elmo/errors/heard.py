"""Warnings of what is read, which a caller may hear, and give in words of its own or not at all."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


def warn(text: str, *, stacklevel: int = 2) -> None:
    """Give a warning, or tell it to whoever listens in this thread.

    stacklevel (int): As of `warnings.warn`.
    """
    heard = _heard.get()
    if heard is None:
        warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)
    else:
        heard.append(text)


@contextmanager
def hear() -> Iterator[list[str]]:
    """Inside, what `warn` is called with in this thread goes into the list, and nowhere else.

    `warnings.catch_warnings` would change the filters of all threads, and two at a time may leave them changed.
    """
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)
