"""uvicorn around the application: the socket, the start, and a stop that ends requests in work."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from ..errors import ElmoOSError, Errors, check_number
from ..util.atomic import remove_unfinished
from .connections import BoundedConnection
from .limits import Limits

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_BACKLOG = 1_024
# Time in which requests end whose connections are gone.
_END_SECONDS = 1.0
# Files and connections of the process; half of them are for connections, more than requests may wait.
_N_FILES = 4_096


def open_socket(host: str, port: int) -> socket.socket:
    """Listen on a port; requests wait until the server runs.

    host (str): A name or an address of this computer.
    port (int): The port; 0: any that is free.
    RETURNS (socket.socket): The socket.
    RAISES (ElmoError): If there is no such port.
    RAISES (ElmoOSError): If the port is taken, or the host is not of this computer.
    """
    check_number("port", port, low=0, high=65_535)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ElmoOSError(Errors.EL355.format(host=host, reason=_describe(error))) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # A server can be started again at once. Elsewhere, this would let two listen on one port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise ElmoOSError(Errors.EL355.format(host=host, reason=_describe(error))) from error
        other = port + 1 if 1024 <= port < 65_535 else 8_001
        reason = _describe(error)
        raise ElmoOSError(Errors.EL354.format(port=port, host=host, reason=reason, other=other)) from error
    return listener


def raise_file_limit() -> int:
    """Let this process have as many files and connections as the server may need, if the system allows it. If none
    were free, asyncio would spend its time on messages, and answer nobody.

    RETURNS (int): How many it may have.
    """
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return _N_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _N_FILES if hard == resource.RLIM_INFINITY else min(_N_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return most
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def show_address(listener: socket.socket, host: str) -> str:
    """Get the address of the page.

    listener (socket.socket): The socket.
    host (str): The host that was asked for.
    RETURNS (str): The URL.
    """
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


class HttpServer(uvicorn.Server):
    """uvicorn, stopped within a bounded time.

    app (Starlette): The application.
    limits (Limits): Times.
    report_start (Callable[[], None]): Called when requests are answered.
    """

    def __init__(self, app: Starlette, *, limits: Limits, report_start: Callable[[], None] = lambda: None):
        n_files = raise_file_limit()
        connect: Any = partial(BoundedConnection, limits=limits, n_connections=n_files // 2)
        config = uvicorn.Config(
            app,
            http=connect,
            # As many are accepted at a time, before those beyond the bound are closed again.
            backlog=n_files // 4,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.ERROR,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        super().__init__(config)
        self.admission = app.state.admission
        self.limits = limits
        self.report_start = report_start
        self.loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `handle_signals`. uvicorn would raise them again at its end."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and report it.

        sockets (list[socket.socket] | None): What it listens on.
        """
        await super().startup(sockets=sockets)
        self.loop = asyncio.get_running_loop()
        if self.should_exit:
            self._stop()
        else:
            self.report_start()

    def run_on(self, listener: socket.socket) -> None:
        """Answer requests until `stop` is called.

        listener (socket.socket): What it listens on. It is closed at the end.
        """
        try:
            asyncio.run(self.serve(sockets=[listener]))
        finally:
            self.loop = None
            listener.close()

    def stop(self) -> None:
        """Stop, from any thread: requests in work are answered if that takes few seconds, all others refused."""
        self.should_exit = True
        loop = self.loop
        if loop is not None:
            # It may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self.admission.close()
        asyncio.get_running_loop().call_later(self.limits.stop_seconds, self._abort)

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # Whatever then still waits, for what nobody will send, is cancelled with the event loop.
        asyncio.get_running_loop().call_later(_END_SECONDS, setattr, self, "force_exit", True)

    @contextlib.contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Stop at Ctrl-C or SIGTERM; a second one ends the process. Python has signals in the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._handle_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            self.stop()
            return
        remove_unfinished()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _describe(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
