"""Clients that send no request, or do not read."""

import socket
import time

import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.server import http_server
from spacy_elmo.server.connections import BoundedConnection
from spacy_elmo.server.limits import Limits
from tests.server.running import HOST, Running, head, read_all, run_server, serve_tiny, wait_for

# The answer has more than a megabyte.
LARGE = b'{"tokens": [' + b",".join([b'"w%d"' % number for number in range(2_000)]) + b"]}"


def connect_small(running: Running) -> socket.socket:
    """A client whose system takes little before it reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(30)
    connection.connect((HOST, running.port))
    return connection


def ask_health(connection: socket.socket) -> None:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    found = b""
    while not found.endswith(b"}"):
        part = connection.recv(4_096)
        assert part
        found += part
    assert found.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_no_head(elmo: Elmo, sent: bytes) -> None:
    """A connection on which no request comes is closed, the first time and later."""
    with run_server(serve_tiny(elmo), limits=Limits(body_seconds=1)) as running:
        with running.connect() as connection:
            start = time.monotonic()
            connection.sendall(sent)
            assert read_all(connection) == b""
            assert 0.9 < time.monotonic() - start < 5
        with running.connect() as connection:
            ask_health(connection)
            start = time.monotonic()
            connection.sendall(sent)
            found = read_all(connection)
            assert not found.startswith(b"HTTP")
            # Without a byte, uvicorn closes it itself.
            assert (0.9 if sent else 0.5) < time.monotonic() - start < 8


def test_requests_for_longer(elmo: Elmo) -> None:
    """A connection that is used stays open: the time is that of one head."""
    with run_server(serve_tiny(elmo), limits=Limits(body_seconds=1)) as running, running.connect() as connection:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            ask_health(connection)
            time.sleep(0.2)


def test_too_many(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further connections are closed at once, those that are open stay so, and later ones find room."""
    monkeypatch.setattr(http_server, "_N_FILES", 8)
    with run_server(serve_tiny(elmo)) as running:
        opened = [running.connect() for _ in range(4)]
        for connection in opened:
            ask_health(connection)
        with running.connect() as refused:
            answer = read_all(refused)
            assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n")
            assert answer.endswith(b"\r\n\r\n")
        ask_health(opened[0])
        for connection in opened:
            connection.close()
        wait_for(lambda: not running.server.server_state.connections)
        assert running.post({"text": "a"}).ok


def test_body_in_small_chunks(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is parsed in small parts, between which others have their turn, and read in full."""
    sizes: list[int] = []
    receive = BoundedConnection.data_received

    def note(connection: BoundedConnection, data: bytes) -> None:
        sizes.append(len(data))
        receive(connection, data)

    monkeypatch.setattr(BoundedConnection, "data_received", note)
    body = b'{"text": "a"' + b" " * 50_000 + b"}"
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with run_server(serve_tiny(elmo)) as running, running.connect() as connection:
        request = head(more="Transfer-Encoding: chunked\r\nConnection: close")
        connection.sendall(request.replace(b"Content-Length: 0\r\n", b"") + chunks)
        with running.connect() as other:
            ask_health(other)
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")
    assert sum(sizes) > len(chunks)
    assert max(sizes) <= 8_192


def test_no_reader(elmo: Elmo) -> None:
    """A client that does not read its answer loses it, and its slot is free for others."""
    limits = Limits(n_slots=1, answer_seconds=1, bytes_per_second=100_000_000)
    with (
        run_server(serve_tiny(elmo), limits=limits, send_buffer=4_096) as running,
        connect_small(running) as connection,
    ):
        connection.sendall(head(LARGE))
        wait_for(lambda: running.server.admission.n_inside == 1)
        start = time.monotonic()
        assert running.post({"text": "a"}).ok
        # Not before: the only slot was taken.
        assert 0.5 < time.monotonic() - start < 10
        found = read_all(connection)
        assert found.startswith(b"HTTP/1.1 200 OK")
        length = int(found.split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(found.partition(b"\r\n\r\n")[2]) < length


def test_slow_reader(elmo: Elmo) -> None:
    """One that reads slowly, but faster than the least speed, gets everything."""
    limits = Limits(n_slots=1, answer_seconds=0.3, bytes_per_second=100_000)
    with (
        run_server(serve_tiny(elmo), limits=limits, send_buffer=4_096) as running,
        connect_small(running) as connection,
    ):
        connection.sendall(head(LARGE))
        found = b""
        start = time.monotonic()
        while not found.endswith(b"]}}]}"):
            part = connection.recv(64 * 1_024)
            assert part
            found += part
            time.sleep(0.002)
        assert time.monotonic() - start > 0.5
        length = int(found.split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(found.partition(b"\r\n\r\n")[2]) == length > 1_000_000


def test_slot_until_the_last_byte(elmo: Elmo) -> None:
    """What the system has not taken counts as work, also the end of an answer."""
    limits = Limits(n_slots=1)
    with (
        run_server(serve_tiny(elmo), limits=limits, send_buffer=4_096) as running,
        connect_small(running) as connection,
    ):
        connection.sendall(head(LARGE))
        time.sleep(1)
        assert running.server.admission.n_inside == 1
        end = b""
        while end != b"]}}]}":
            part = connection.recv(1 << 20)
            assert part
            end = (end + part)[-5:]
        wait_for(lambda: running.server.admission.n_inside == 0)
