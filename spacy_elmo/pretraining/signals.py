"""SIGTERM and SIGINT as a wish to stop, not as an end."""

import signal
import threading
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """While the block runs, the first signal only sets `came`; the second ends the process as usual.

    Signals reach the main thread alone; elsewhere nothing is caught.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            # What was not set by Python, Python cannot put back.
            own = [number for number in _SIGNALS if signal.getsignal(number) is not None]
            self._before = {number: signal.signal(number, self._note) for number in own}
        return self

    def __exit__(self, *exc: Any) -> None:
        self._put_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
