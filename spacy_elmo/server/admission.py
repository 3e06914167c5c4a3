"""Which requests are in work, and which wait for their turn."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from threading import Lock

import anyio

from ..errors import Errors
from .limits import Limits
from .refusals import RequestError

# For clients that are refused.
_RETRY_SECONDS = 5


class Admission:
    """Slots for requests in work, and places for those that wait. For one event loop.

    limits (Limits): How many there are.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self._n_places = limits.n_slots + limits.n_waiting
        self._is_open = True
        self._lock = Lock()
        self.n_inside = 0
        # Also those whose clients are gone.
        self.n_computed = 0

    @cached_property
    def threads(self) -> anyio.CapacityLimiter:
        """How many are computed at a time."""
        # Made when an event loop runs, as older versions of anyio require.
        return anyio.CapacityLimiter(self._limits.n_threads)

    @cached_property
    def _slots(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(self._limits.n_slots)

    def close(self) -> None:
        """Refuse all requests but those in work."""
        self._is_open = False

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place, in work or waiting.

        YIELDS (None): Inside, the place is taken.
        RAISES (RequestError): If there is none.
        """
        self._check_open()
        if self.n_inside >= self._n_places:
            message = Errors.EL348.format(n=self.n_inside, seconds=_RETRY_SECONDS)
            raise RequestError(message, status=503, headers={"Retry-After": str(_RETRY_SECONDS)})
        self.n_inside += 1
        try:
            yield
        finally:
            self.n_inside -= 1

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, in the order of asking.

        YIELDS (None): Inside, the slot is taken.
        RAISES (RequestError): If the server stops meanwhile.
        """
        async with self._slots:
            self._check_open()
            yield

    @contextmanager
    def computation(self) -> Iterator[None]:
        """Count a request that is computed, in any thread.

        YIELDS (None): Inside, it is counted.
        """
        with self._lock:
            self.n_computed += 1
        try:
            yield
        finally:
            with self._lock:
                self.n_computed -= 1

    def _check_open(self) -> None:
        if not self._is_open:
            raise RequestError(Errors.EL358, status=503, headers={"Retry-After": str(_RETRY_SECONDS)})
