"""Where it listens, and how it ends."""

import asyncio
import logging
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spacy_elmo.elmo import Elmo
from spacy_elmo.errors import ElmoOSError
from spacy_elmo.server.app import create_app
from spacy_elmo.server.http_server import HttpServer, open_socket, raise_file_limit, show_address
from spacy_elmo.server.limits import Limits
from tests.server.running import HOST, PATIENCE, Gate, get_error, head, read_all, run_server, serve_tiny, wait_for


def test_taken_port() -> None:
    with open_socket(HOST, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ElmoOSError, match=rf"EL354.*port {port} of {HOST} .*--port {port + 1}, or --port 0"):
            open_socket(HOST, port)
    open_socket(HOST, port).close()


@pytest.mark.parametrize("port", [70_000, -1])
def test_no_port(port: int) -> None:
    with pytest.raises(ValueError, match=r"EL098.*port"):
        open_socket(HOST, port)


@pytest.mark.parametrize("host", ["203.0.113.77", "no such host", "a" * 300, "x\0y"])
def test_other_hosts(host: str) -> None:
    with pytest.raises(ElmoOSError, match=r"EL355.*Give 127\.0\.0\.1"):
        open_socket(host, 0)


def test_addresses() -> None:
    with open_socket("localhost", 0) as listener:
        assert show_address(listener, "localhost") == f"http://localhost:{listener.getsockname()[1]}"
    if socket.has_ipv6:
        try:
            listener = open_socket("::1", 0)
        except ElmoOSError:
            pytest.skip("this machine has no IPv6")
        with listener:
            assert show_address(listener, "::1") == f"http://[::1]:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("soft", "hard", "found", "new"),
    [
        (1_024, 1 << 20, 4_096, 4_096),
        (256, -1, 4_096, 4_096),
        (1_024, 2_048, 2_048, 2_048),
        (1_024, 1_024, 1_024, None),
        (20_000, 20_000, 4_096, None),
        (-1, -1, 4_096, None),
    ],
)
def test_number_of_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, found: int, new: int | None
) -> None:
    """It is raised where it is too low, and never above what the system allows."""
    resource = pytest.importorskip("resource", reason="this system has no limits of files")
    soft, hard = (resource.RLIM_INFINITY if number < 0 else number for number in (soft, hard))
    changes: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: changes.append(limits))
    assert raise_file_limit() == found
    assert changes == ([] if new is None else [(new, hard)])
    monkeypatch.setitem(sys.modules, "resource", None)
    assert raise_file_limit() == 4_096


def test_clients_before_the_start(elmo: Elmo) -> None:
    """Whoever comes while the model loads is answered when it is there."""
    with open_socket(HOST, 0) as listener, ThreadPoolExecutor() as threads:
        url = show_address(listener, HOST) + "/healthz"
        early = threads.submit(requests.get, url, timeout=PATIENCE)
        time.sleep(0.2)
        assert not early.done()
        limits = Limits()
        server = HttpServer(create_app(serve_tiny(elmo), limits=limits), limits=limits)
        thread = threading.Thread(target=server.run_on, args=[listener])
        thread.start()
        assert early.result().ok
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_stop_before_the_start(elmo: Elmo) -> None:
    started: list[bool] = []
    limits = Limits()
    server = HttpServer(
        create_app(serve_tiny(elmo), limits=limits), limits=limits, report_start=lambda: started.append(True)
    )
    server.stop()
    server.run_on(open_socket(HOST, 0))
    assert not started


def test_stop(elmo: Elmo, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """Requests in work are answered. Those that wait, or come on a connection that is open, are refused."""
    before = {*threading.enumerate()}
    with run_server(serve_tiny(elmo), limits=Limits(n_slots=1)) as running, ThreadPoolExecutor() as threads:
        with running.connect() as idle, running.connect() as half, caplog.at_level(logging.DEBUG):
            half.sendall(head(b'{"text":', length=13))
            work = threads.submit(running.post, {"text": "in work"})
            assert gate.entered.acquire(timeout=PATIENCE)
            waiting = threads.submit(running.post, {"text": "waits"})
            wait_for(lambda: running.server.admission.n_inside == 3)
            running.server.stop()
            assert read_all(idle) == b""
            with pytest.raises(OSError, match=r"refused|reset|timed out"):
                running.connect()
            half.sendall(b' "a"}')
            wait_for(lambda: running.server.admission.n_inside == 3)
            gate.opened.set()
            assert work.result().ok
            refused = waiting.result()
            code, message = get_error(refused, 503)
            assert code == "EL358"
            assert message.startswith("The server is stopping, and accepts no more requests. Try again ")
            assert refused.headers["Retry-After"] == "5"
            assert read_all(half).startswith(b"HTTP/1.1 503 ")
        running.thread.join(PATIENCE)
        assert not running.thread.is_alive()
        assert gate.calls == [["in", "work"]]
    # The package's own threads compute for the whole process.
    wait_for(lambda: all(thread.name.startswith("spacy_elmo") for thread in {*threading.enumerate()} - before))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_stop_in_time(elmo: Elmo, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """A request that takes longer is cut off, without a message."""
    limits = Limits(stop_seconds=0.5)
    with run_server(serve_tiny(elmo), limits=limits) as running, running.connect() as connection:
        connection.sendall(head(b'{"text": "long"}'))
        assert gate.entered.acquire(timeout=PATIENCE)
        start = time.monotonic()
        running.server.stop()
        assert read_all(connection) == b""
        assert 0.4 < time.monotonic() - start < 5
        gate.opened.set()
        running.thread.join(PATIENCE)
        assert not running.thread.is_alive()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_stop_during_a_long_computation(elmo: Elmo, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    """The server does not wait for a thread that takes longer than anybody waits, and says nothing of it."""
    limits = Limits(stop_seconds=0.2)
    with run_server(serve_tiny(elmo), limits=limits) as running, running.connect() as connection:
        connection.sendall(head(b'{"text": "long"}'))
        assert gate.entered.acquire(timeout=PATIENCE)
        start = time.monotonic()
        running.server.stop()
        wait_for(lambda: running.server.loop is None)
        assert time.monotonic() - start < 5
        assert (running.server.admission.n_inside, running.server.admission.n_computed) == (0, 1)
        gate.opened.set()
        wait_for(lambda: running.server.admission.n_computed == 0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_unread_answer_at_the_stop(elmo: Elmo) -> None:
    """A client that does not read does not keep the server from ending."""
    tokens = b'{"tokens": [' + b",".join([b'"w%d"' % number for number in range(2_000)]) + b"]}"
    limits = Limits(stop_seconds=0.5)
    with run_server(serve_tiny(elmo), limits=limits, send_buffer=4_096) as running, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect((HOST, running.port))
        connection.sendall(head(tokens))
        time.sleep(1)
        assert running.server.admission.n_inside == 1
        start = time.monotonic()
        running.server.stop()
        running.thread.join(PATIENCE)
        assert not running.thread.is_alive()
        assert time.monotonic() - start < 5


def test_stop_with_a_request_that_never_ends(elmo: Elmo, caplog: pytest.LogCaptureFixture) -> None:
    async def wait(request: Request) -> Response:
        # Not even by a client that is gone.
        await asyncio.Event().wait()
        raise AssertionError

    app = create_app(serve_tiny(elmo))
    app.router.routes.insert(0, Route("/wait", wait))
    listener = open_socket(HOST, 0)
    started = threading.Event()
    server = HttpServer(app, limits=Limits(stop_seconds=0.2), report_start=started.set)
    thread = threading.Thread(target=server.run_on, args=[listener])
    thread.start()
    assert started.wait(PATIENCE)
    with socket.create_connection((HOST, listener.getsockname()[1]), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: len(server.server_state.tasks) == 1)
        server.stop()
        assert connection.recv(1) == b""
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
