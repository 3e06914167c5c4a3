"""Routes whose answers are computed: one after the other in threads, within bounds."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import anyio
from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from .admission import Admission
from .layers_json import join_pieces
from .limits import Limits
from .request_body import read_body

# From the body of a request to its answer, JSON in parts; runs in any thread.
Answer = Callable[[bytes], Iterable[bytes]]


class ComputedAnswer:
    """An ASGI endpoint.

    answer (Answer): Computes the answer.
    admission (Admission): Admits requests.
    limits (Limits): Bounds of a request.
    """

    def __init__(self, answer: Answer, *, admission: Admission, limits: Limits):
        self.answer = answer
        self.admission = admission
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        with self.admission.place():
            try:
                body = await read_body(request, self.limits)
            except ClientDisconnect:
                return
            is_gone = threading.Event()
            with anyio.CancelScope() as work:
                watch = asyncio.ensure_future(_watch(receive, is_gone, work))
                try:
                    async with self.admission.slot():
                        compute = partial(self._compute, body, is_gone)
                        pieces = await to_thread.run_sync(compute, limiter=self.admission.threads)
                        await _send_json(pieces, send)
                finally:
                    watch.cancel()

    def _compute(self, body: bytes, is_gone: threading.Event) -> deque[bytes]:
        with self.admission.computation():
            return join_pieces(_stop_if(is_gone, self.answer(body)))


async def _watch(receive: Receive, is_gone: threading.Event, work: anyio.CancelScope) -> None:
    """Drop the work for a client that is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    # A thread cannot be cancelled.
    is_gone.set()
    work.cancel()


def _stop_if(is_gone: threading.Event, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        if is_gone.is_set():
            return
        yield part


async def _send_json(pieces: deque[bytes], send: Send) -> None:
    length = str(sum(map(len, pieces))).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while pieces:
        body = pieces.popleft()
        await send({"type": "http.response.body", "body": body, "more_body": bool(pieces)})
