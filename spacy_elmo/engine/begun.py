"""Layers that are being computed while who asked for them does something else."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

R = TypeVar("R")


class Begun(Generic[R]):
    """A result on its way.

    future (Future[R]): What is computed.
    report (Callable[[], None]): Tells of what was noticed meanwhile.
    """

    def __init__(self, future: "Future[R]", report: Callable[[], None]):
        self._future = future
        self._report = report

    def result(self) -> R:
        """Wait for it, if need be.

        RETURNS (R): The result.
        RAISES: What was raised while it was computed.
        """
        result = self._future.result()
        self._report()
        return result

    def cancel(self) -> None:
        """Compute no more of it than has been begun."""
        self._future.cancel()
