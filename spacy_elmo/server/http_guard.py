"""What holds for every answer: which hosts a request may be for, and headers that keep browsers safe."""

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Errors
from .refusals import make_error_response

# The page has no script or style but those of this server.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Check whether only this computer can reach a host.

    host (str): A name or an address.
    RETURNS (bool): Whether it is one of this computer alone.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def list_hosts(host: str) -> list[str] | None:
    """List the names under which a server is asked.

    host (str): Where it listens.
    RETURNS (list[str] | None): The names for the header Host, without ports; None: any, since others reach it
        under names that are unknown here.
    """
    if not is_loopback(host):
        return None
    shown = f"[{host}]" if ":" in host else host.lower()
    return list(dict.fromkeys([*LOOPBACK, shown]))


class SafeHeaders:
    """ASGI middleware that adds headers for browsers. Answers of the API are not kept by caches.

    app (ASGIApp): The application.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, add_headers)


class KnownHosts:
    """ASGI middleware that refuses requests for other hosts: a web site could give its name the address 127.0.0.1,
    and its script would read what this computer's server answers.

    app (ASGIApp): The application.
    hosts (Collection[str] | None): As from `list_hosts`.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] | None):
        self.app = app
        self.hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "")
        if self.hosts is None or _remove_port(host) in self.hosts:
            await self.app(scope, receive, send)
            return
        message = Errors.EL347.format(got=repr(host), allowed=", ".join(self.hosts))
        await make_error_response(421, message)(scope, receive, send)


def _remove_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return (name if name and port.isdecimal() and port.isascii() else host).lower()
