"""Clients that send everything before they read see why they are refused."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.server.limits import Limits
from tests.server.running import Running, head, read_all, run_server, serve_tiny, wait_for

MORE = "Connection: close"


def send_all(running: Running, request: bytes) -> bytes:
    """Send a request in full, and read only then."""
    with running.connect() as connection:
        connection.sendall(request)
        time.sleep(0.1)
        return read_all(connection)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (head(b" " * 5_000_000, more=MORE), b"413"),
        (head(b" " * 200_000, path="/nothing", more=MORE), b"404"),
        (head(b" " * 200_000, path="/healthz", more=MORE), b"405"),
        (head(b" " * 200_000, more=MORE).replace(b"application/json", b"text/plain"), b"415"),
        (head(b" " * 200_000, more=MORE).replace(b"Host: 127.0.0.1", b"Host: example.org"), b"421"),
    ],
    ids=["length", "path", "method", "type", "host"],
)
def test_refused(served: Running, request_bytes: bytes, status: bytes) -> None:
    answer = send_all(served, request_bytes)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b'{"error":{"code":"EL3' in answer


def test_chunks(served: Running) -> None:
    """Of no announced length."""
    start = head(more=f"Transfer-Encoding: chunked\r\n{MORE}").replace(b"Content-Length: 0\r\n", b"")
    chunks = b"".join([b"1000\r\n" + b" " * 4_096 + b"\r\n"] * 300)
    answer = send_all(served, start + chunks + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"more than 262,144 bytes" in answer


def test_rest_that_does_not_come(elmo: Elmo) -> None:
    """The answer comes when the body is late, once."""
    with run_server(serve_tiny(elmo), limits=Limits(body_seconds=2)) as running:
        for path, status in (("/nothing", b"404"), ("/api/embed", b"408")):
            with running.connect() as connection:
                start = time.monotonic()
                connection.sendall(head(b"{", length=1_000, path=path, more=MORE))
                assert read_all(connection).startswith(b"HTTP/1.1 " + status)
                assert 1.9 < time.monotonic() - start < 3.8


def test_client_that_goes_meanwhile(served: Running) -> None:
    with served.connect() as connection:
        connection.sendall(head(b"{", length=1_000, path="/nothing"))
        wait_for(lambda: len(served.server.server_state.tasks) == 1)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b""
    wait_for(lambda: not served.server.server_state.tasks)


def test_body_without_end(elmo: Elmo) -> None:
    """It is not read for ever."""
    start = head(more="Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    chunk = b"8000\r\n" + b" " * 32_768 + b"\r\n"
    limits = Limits(max_body_bytes=10_000)
    with run_server(serve_tiny(elmo), limits=limits) as running, running.connect() as connection:
        connection.sendall(start)
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(connection.recv, 4_096)
            n_bytes = 0
            while not answer.done():
                connection.sendall(chunk)
                n_bytes += len(chunk)
            assert answer.result().startswith(b"HTTP/1.1 413 ")
        # What the system keeps besides, it does not know.
        assert 600_000 < n_bytes < 20_000_000
