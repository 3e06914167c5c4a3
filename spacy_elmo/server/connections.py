"""Connections that end in time: with clients that send no request, or do not read what they get."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .limits import Limits

# Closes the connection of a request at once, whatever was not sent.
_ABORT = "spacy_elmo.abort"
# What is read of a connection at a time. asyncio would read 256 KiB: if they are a body in chunks of one byte, it
# takes more than half a second to parse them, in which nobody else is answered.
_READ_BYTES = 8 * 1024
# Without a body, since there is no request yet, which may be for a part of it.
_REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class BoundedConnection(H11Protocol, asyncio.BufferedProtocol):
    """A connection of uvicorn's that is closed if no request comes, and that a request can close.

    limits (Limits): How long the head of a request may take.
    n_connections (int): How many there may be; further ones are closed with an answer, before a request was read.
    settings (Any): What uvicorn gives to each connection.
    """

    def __init__(self, *, limits: Limits, n_connections: int, **settings: Any):
        super().__init__(**settings)
        self.head_seconds = limits.body_seconds
        self.n_connections = n_connections
        application = self.app

        async def call(scope: Any, receive: Any, send: Any) -> None:
            scope[_ABORT] = self.abort
            try:
                await application(scope, receive, send)
            except asyncio.CancelledError:
                # At the end of the server, whose connections are gone: uvicorn would log it as a failure.
                if not self.transport.is_closing():
                    raise

        self.app = call
        self._waits_since = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.n_connections:
            self.transport = transport
            transport.write(_REFUSAL)
            transport.close()
            return
        super().connection_made(transport)
        # Sending waits until the system has taken everything, not until little is left.
        transport.set_write_buffer_limits(high=0)
        self._check_head()

    def get_buffer(self, sizehint: int) -> bytearray:
        # One for each time: a connection that is idle needs none.
        self._buffer = bytearray(_READ_BYTES)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data, self._buffer = bytes(self._buffer[:nbytes]), bytearray()
        self.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._waits_since = self.loop.time()
        super().on_response_complete()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def _check_head(self) -> None:
        """uvicorn has a time limit for the head of a further request only, before its first byte."""
        is_idle = self.cycle is None or self.cycle.response_complete
        left = self._waits_since + self.head_seconds - self.loop.time() if is_idle else self.head_seconds
        if left <= 0:
            self.abort()
        else:
            self._timer = self.loop.call_later(left, self._check_head)


def abort(scope: Scope) -> None:
    """Close the connection of a request at once.

    scope (Scope): The request.
    """
    scope[_ABORT]()


class SlowReaders:
    """ASGI middleware that closes connections whose clients do not read their answers.

    app (ASGIApp): The application.
    limits (Limits): How long a client may take.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits):
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        deadline = 0.0

        async def send_in_time(message: Message) -> None:
            nonlocal deadline
            if message["type"] == "http.response.start":
                deadline = anyio.current_time() + self.limits.answer_seconds
            else:
                deadline += len(message.get("body", b"")) / self.limits.bytes_per_second
            with anyio.CancelScope(deadline=deadline) as limit:
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    # An end by itself: it is sent when the system has taken all before it.
                    await send({**message, "more_body": True})
                    message = {"type": "http.response.body"}
                await send(message)
            if limit.cancelled_caught:
                abort(scope)

        await self.app(scope, receive, send_in_time)
