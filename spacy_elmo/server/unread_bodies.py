"""Bodies of requests that are refused before they were read."""

from __future__ import annotations

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .limits import Limits

# Of longer bodies, as many times what is allowed, the client may not see why they are refused.
_TIMES = 64


class UnreadBodies:
    """ASGI middleware that reads and drops the rest of a body before the answer is sent: many clients read nothing
    before they have sent everything, and a connection that is closed meanwhile loses the answer.

    app (ASGIApp): The application.
    limits (Limits): How long a body may be, and take.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits):
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_sent(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        deadline = anyio.current_time() + self.limits.body_seconds
        is_unread = True

        async def note_end() -> Message:
            nonlocal is_unread
            message = await receive()
            is_unread = is_unread and message.get("more_body", False)
            return message

        async def read_first(message: Message) -> None:
            if message["type"] == "http.response.start":
                left = _TIMES * self.limits.max_body_bytes
                with anyio.CancelScope(deadline=deadline):
                    while is_unread and left > 0:
                        left -= len((await note_end()).get("body", b""))
            await send(message)

        await self.app(scope, note_end, read_first)

    def _is_sent(self, headers: Headers) -> bool:
        """Check whether the client sends a body at once, and one of a length that can be read."""
        if "expect" in headers:
            return False
        # The parser of HTTP admits digits alone; a start of so many is long enough.
        announced = int(headers.get("content-length", "0")[:18])
        return "transfer-encoding" in headers or 0 < announced <= _TIMES * self.limits.max_body_bytes
