"""SIGTERM and SIGINT as a request to stop after the current batch."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """A context in which the first signal only sets a flag; the second one ends the process as usual.

    Python handles signals in the main thread; in other threads, nothing changes.

    received (bool): Whether a signal was received.
    """

    def __init__(self) -> None:
        self.received = False
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            # Python cannot restore a handler that was not set by Python.
            own = [number for number in _SIGNALS if signal.getsignal(number) is not None]
            self._before = {number: signal.signal(number, self._receive) for number in own}
        return self

    def __exit__(self, *exc: object) -> None:
        self._restore()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
