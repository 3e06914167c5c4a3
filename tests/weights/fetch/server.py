"""A web server that makes errors on request."""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from spacy_elmo.weights.fetch import download, web

# How a request is answered, given the whole file.
Answer = Callable[["Handler", bytes], None]


class Seen(NamedTuple):
    """A request. target: as it is in the request line."""

    target: str
    headers: dict[str, str]


class Server:
    """files: by their paths. faults: answers to the next requests of a path, good ones after that."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Answer]] = {}
        self.seen: list[Seen] = []
        # Paths of the files that were sent from the first byte to the last.
        self.whole: list[str] = []
        self.has_etags = True
        # Set when an answer stalls; to be set to let it go on.
        self.stalled = threading.Event()
        self.released = threading.Event()

    def put(self, path: str, data: bytes, *faults: Answer) -> str:
        """Serve a file. RETURNS: its URL."""
        self.files[path] = data
        self.faults[path] = list(faults)
        return f"{self.url}/{path}"

    def paths(self) -> list[str]:
        return [urlsplit(seen.target).path[1:] for seen in self.seen]

    def headers(self, name: str) -> list[str | None]:
        """List the values of a header in all requests."""
        return [seen.headers.get(name) for seen in self.seen]


class Handler(BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        state, path = self.server_state, urlsplit(self.path).path[1:]
        state.seen.append(Seen(self.path, dict(self.headers.items())))
        self.close_connection = True
        if path not in state.files:
            return self.send_status(404)
        answer = state.faults[path].pop(0) if state.faults[path] else good
        # The client may have gone.
        with suppress(ConnectionError):
            answer(self, state.files[path])

    def send_status(self, status: int) -> None:
        self.head(status, {"Content-Length": "0"})

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def first_wanted(self) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def log_message(self, *arguments: Any) -> None:
        pass


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _headers(handler: Handler, data: bytes) -> dict[str, str]:
    return {"ETag": etag(data)} if handler.server_state.has_etags else {}


def good(handler: Handler, data: bytes) -> None:
    if handler.headers.get("If-Range") not in (None, etag(data)):
        return ignore_range(handler, data)
    part(handler, data)


def part(handler: Handler, data: bytes) -> None:
    """Answer what `Range` asks for, whatever `If-Range` says."""
    start = handler.first_wanted()
    if start == 0:
        return ignore_range(handler, data)
    if start >= len(data):
        return handler.send_status(416)
    headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    handler.head(206, {**_headers(handler, data), **headers, "Content-Length": str(len(data) - start)})
    handler.wfile.write(data[start:])


def ignore_range(handler: Handler, data: bytes) -> None:
    handler.head(200, {**_headers(handler, data), "Content-Length": str(len(data))})
    handler.wfile.write(data)
    handler.server_state.whole.append(urlsplit(handler.path).path[1:])


def status(number: int) -> Answer:
    return lambda handler, data: handler.send_status(number)


def _begin(handler: Handler, data: bytes, share: float) -> None:
    """Send the head for the rest of the file, and a part of the rest."""
    start = handler.first_wanted()
    headers = {**_headers(handler, data), "Content-Length": str(len(data) - start)}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    handler.head(206 if start else 200, headers)
    handler.wfile.write(data[start : start + int(share * len(data))])
    handler.wfile.flush()


def cut(handler: Handler, data: bytes) -> None:
    _begin(handler, data, 0.3)


def stall(handler: Handler, data: bytes) -> None:
    _begin(handler, data, 0.3)
    handler.server_state.stalled.set()
    handler.server_state.released.wait(20)


def hold(handler: Handler, data: bytes) -> None:
    """Give a good answer after a release."""
    handler.server_state.stalled.set()
    handler.server_state.released.wait(20)
    good(handler, data)


def wrong_byte(handler: Handler, data: bytes) -> None:
    middle = len(data) // 2
    good(handler, data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])


def page(kind: str) -> Answer:
    def answer(handler: Handler, data: bytes) -> None:
        text = b"<!DOCTYPE html><html>Please log in</html>"
        handler.head(200, {"Content-Type": kind, "Content-Length": str(len(text))})
        handler.wfile.write(text)

    return answer


def more(announced: bool) -> Answer:
    """Send more bytes than the file has, with a head that gives the right size or none."""

    def answer(handler: Handler, data: bytes) -> None:
        handler.head(200, {"Content-Length": str(len(data))} if announced else {})
        handler.wfile.write(data + b"more")

    return answer


def lie(first: int) -> Answer:
    """Send a part that starts so many bytes away from the one requested."""

    def answer(handler: Handler, data: bytes) -> None:
        start = handler.first_wanted() + first
        headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        handler.head(206, {**_headers(handler, data), **headers, "Content-Length": str(len(data) - start)})
        handler.wfile.write(data[start:])

    return answer


def piece(handler: Handler, data: bytes) -> None:
    """Send what was requested, but not up to the end of the file."""
    start = handler.first_wanted()
    some = data[start : start + len(data) // 5]
    headers = {"Content-Range": f"bytes {start}-{start + len(some) - 1}/{len(data)}"}
    handler.head(206, {**_headers(handler, data), **headers, "Content-Length": str(len(some))})
    handler.wfile.write(some)


def redirect(path: str) -> Answer:
    return lambda handler, data: handler.head(302, {"Location": f"/{path}", "Content-Length": "0"})


def refuse_python(handler: Handler, data: bytes) -> None:
    """Answer as hosts do that do not like the default names of Python's libraries."""
    agent = handler.headers.get("User-Agent", "")
    if agent.lower().startswith(("python", "urllib")) or not agent:
        return handler.send_status(406)
    good(handler, data)


def listing(*names: str) -> bytes:
    """Write the page by which a server lists a folder. names: as in links."""
    links = "".join(f'<li><a href="{name}">{name}</a></li>' for name in ("?C=N;O=D", "../", *names))
    return f"<html><head><title>Index of /models</title></head><body><ul>{links}</ul></body></html>".encode()


def show(handler: Handler, data: bytes) -> None:
    """Send the file as a web page."""
    handler.head(200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(data))})
    handler.wfile.write(data)


def encoded(name: str) -> Answer:
    def answer(handler: Handler, data: bytes) -> None:
        handler.head(200, {"Content-Encoding": name, "Content-Length": str(len(data))})
        handler.wfile.write(data)

    return answer


@contextmanager
def serving() -> Iterator[Server]:
    """Start a server, and prepare this process for it: no proxies, no long waits."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        for name in ("SPACY_ELMO_MIRROR", "SPACY_ELMO_OFFLINE"):
            patch.delenv(name, raising=False)
        patch.setattr(download, "FIRST_WAIT", 0.001)
        patch.setattr(web, "READ_TIMEOUT", 0.3)
        state = Server(server.server_port)
        server.RequestHandlerClass = type("Handler", (Handler,), {"server_state": state})
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            server.shutdown()
            thread.join()


def model_files(tiny: Path) -> dict[str, bytes]:
    """The small model of the tests by the endings of published names."""
    names = {"_options.json": "options.json", "_weights.hdf5": "weights.hdf5"}
    return {ending: (tiny / name).read_bytes() for ending, name in names.items()}


def trickle(handler: Handler, data: bytes) -> None:
    """Send a few bytes at a time, as long as the client listens."""
    handler.head(200, {**_headers(handler, data), "Content-Length": str(len(data))})
    for byte in data:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        if handler.server_state.released.wait(0.05):
            return


def trickle_head(handler: Handler, data: bytes) -> None:
    """Send a head without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.server_state.released.wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()
