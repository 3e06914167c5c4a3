"""How warnings are given: collected by a caller that rewords or drops them, or once only."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

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


@dataclass
class OnceWarner:
    """Gives each warning only the first time, by its code: what is wrong with one batch is wrong with most."""

    _given: set[str] = field(default_factory=set)

    def has_given(self, message: str) -> bool:
        """Check whether a warning was given before.

        message (str): The warning, formatted or not.
        RETURNS (bool): Whether one with its code was given.
        """
        return message.partition("]")[0] in self._given

    def __call__(self, message: str) -> None:
        """Give the warning, unless one with its code was given before.

        message (str): A warning with its code, such as `Warnings.WL045`.
        """
        code = message.partition("]")[0]
        if code not in self._given:
            self._given.add(code)
            warnings.warn(message, stacklevel=3)
