"""How many tokens run together, and what happens when that was too many."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

import torch

from ..errors import ElmoMemoryError, Errors, Warnings

W = TypeVar("W", bound=Sized)
R = TypeVar("R")


# Memory may be short for a moment only: the budget falls no lower than to this share of what it was.
LEAST_SHARE = 64


class Budget:
    """tokens: with two marks a sentence; it is halved when a device has run out of memory. ahead: so many batches
    more may be under way when one is waited for."""

    def __init__(self, tokens: int, *, ahead: int = 0):
        self.tokens = tokens
        self.ahead = ahead
        self._least = max(1, tokens // LEAST_SHARE)
        self._warned = False

    def run(
        self,
        window: W,
        compute: Callable[[W], R],
        *,
        cut: Callable[[W, int], Iterable[W]],
        size: Callable[[W], int],
        release: Callable[[], None],
    ) -> Iterator[R]:
        """What `compute` gives for the window, or for its parts where it does not fit.

        cut: parts of a window, of so many tokens each. size: tokens of a window.
        release: frees what an engine keeps between batches.
        RAISES (MemoryError): If memory runs out over a single item.
        """
        # The budget may have become smaller since the window was cut.
        waiting = list(cut(window, self.tokens))
        tried_again = False
        while waiting:
            part = waiting.pop(0)
            try:
                result = compute(part)
            except torch.cuda.OutOfMemoryError as error:
                reason = _first_line(error)
                if tried_again:
                    raise ElmoMemoryError(Errors.EL166.format(tokens=size(part), reason=reason)) from error
            else:
                tried_again = False
                yield result
                continue
            # Outside of the handler, whose error holds on to what had been computed.
            release()
            if len(part) == 1:
                # What was kept between batches may have been too much.
                tried_again = True
                waiting.insert(0, part)
            else:
                self._halve(size(part), reason)
                # Those that wait were cut as this one was.
                half = min(self.tokens, max(1, size(part) // 2))
                waiting = [less for more in (part, *waiting) for less in cut(more, half)]

    def _halve(self, tokens: int, reason: str) -> None:
        self.tokens = max(self._least, min(self.tokens, tokens) // 2)
        if not self._warned:
            self._warned = True
            warnings.warn(Warnings.WL015.format(tokens=tokens, half=self.tokens, reason=reason), stacklevel=2)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")
