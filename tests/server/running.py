"""A server in a thread of this process, and clients that do what `requests` would not."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import requests

from spacy_elmo.elmo import Elmo
from spacy_elmo.server.app import create_app
from spacy_elmo.server.http_guard import list_hosts
from spacy_elmo.server.http_server import HttpServer, open_socket, show_address
from spacy_elmo.server.limits import Limits
from spacy_elmo.server.served_model import ServedModel, serve_elmo
from spacy_elmo.splitter import make_splitter

HOST = "127.0.0.1"
# Seconds after which a test fails rather than waits.
PATIENCE = 30
JSON = {"Content-Type": "application/json"}


class Running(NamedTuple):
    """A server that runs.

    url (str): Its address.
    port (int): Its port.
    model (ServedModel): What it serves.
    server (HttpServer): The server.
    thread (threading.Thread): Where it runs.
    """

    url: str
    port: int
    model: ServedModel
    server: HttpServer
    thread: threading.Thread

    def post(self, fields: object, path: str = "/api/embed") -> requests.Response:
        """Send JSON."""
        return self.send(json.dumps(fields).encode(), path)

    def send(
        self, body: Any, path: str = "/api/embed", headers: dict[str, str] | None = None
    ) -> requests.Response:
        """Send a body as it is."""
        return requests.post(self.url + path, data=body, headers=JSON | (headers or {}), timeout=PATIENCE)

    def get(self, path: str, headers: dict[str, str] | None = None) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=PATIENCE)

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=PATIENCE)


class Gate:
    """`Elmo.embed`, which waits until the gate is opened."""

    def __init__(self, elmo: Elmo, monkeypatch: pytest.MonkeyPatch):
        self.embed: Callable[..., Any] = elmo.embed
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.calls: list[list[str]] = []
        monkeypatch.setattr(elmo, "embed", self)

    def __call__(self, sentences: list[list[str]], **settings: Any) -> Any:
        self.calls.append(sentences[0])
        self.entered.release()
        assert self.opened.wait(PATIENCE)
        return self.embed(sentences, **settings)


def serve_tiny(elmo: Elmo) -> ServedModel:
    return serve_elmo(elmo, source="models/tiny", nlp=make_splitter("en"))


@contextmanager
def run_server(
    model: ServedModel, *, limits: Limits | None = None, host: str = HOST, send_buffer: int | None = None
) -> Iterator[Running]:
    """Run a server until the block ends. YIELDS: the server. It ends with its thread, or the test fails.

    host: where it believes to listen. send_buffer: what the system keeps for clients that do not read.
    """
    limits = limits or Limits()
    listener = open_socket(HOST, 0)
    if send_buffer is not None:
        # Connections have what their listener has.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    port: int = listener.getsockname()[1]
    is_started = threading.Event()
    server = HttpServer(
        create_app(model, limits=limits, hosts=list_hosts(host)), limits=limits, report_start=is_started.set
    )
    thread = threading.Thread(target=server.run_on, args=[listener])
    thread.start()
    try:
        assert is_started.wait(PATIENCE)
        yield Running(show_address(listener, HOST), port, model, server, thread)
    finally:
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def head(body: bytes = b"", *, length: int | None = None, path: str = "/api/embed", more: str = "") -> bytes:
    """Write a request by hand: its head, and the part of its body that is given."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", "Content-Type: application/json"]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return ("\r\n".join([*lines, more]).rstrip("\r\n") + "\r\n\r\n").encode() + body


def read_all(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, however it does."""
    found = b""
    try:
        while part := connection.recv(1 << 20):
            found += part
    except ConnectionResetError:
        pass
    return found


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, or fail."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def get_error(response: requests.Response, status: int) -> tuple[str, str]:
    """The code and the message of a request that was refused."""
    assert response.status_code == status, response.text[:300]
    assert response.headers["Content-Type"] == "application/json"
    error = response.json()["error"]
    assert error.keys() == {"code", "message"}
    assert not error["message"].startswith("[")
    return error["code"], error["message"]
