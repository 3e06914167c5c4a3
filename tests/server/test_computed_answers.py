"""Work in threads: others are answered meanwhile, and clients that are gone are forgotten."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.server.limits import Limits
from tests.server.running import PATIENCE, Gate, Running, get_error, head, run_server, serve_tiny, wait_for


def test_others_while_it_computes(elmo: Elmo, gate: Gate) -> None:
    """Health, the model and mistakes are answered at once."""
    with run_server(serve_tiny(elmo), limits=Limits(n_slots=2)) as running, ThreadPoolExecutor() as threads:
        work = [threads.submit(running.post, {"text": "a"}) for _ in range(3)]
        assert gate.entered.acquire(timeout=PATIENCE)
        for path in ("/healthz", "/api/model"):
            start = time.monotonic()
            assert running.get(path).ok
            assert time.monotonic() - start < 2
        assert running.send(b"{}", headers={"Content-Type": "text/html"}).status_code == 415
        assert not any(done.done() for done in work)
        gate.opened.set()
        assert all(done.result().ok for done in work)


@pytest.mark.slow
def test_health_beside_large_requests() -> None:
    """The real model at its largest request: the loop that answers others is never blocked for long."""
    import spacy_elmo

    fields = {"tokens": [[f"word{k}" for k in range(64)] for _ in range(32)]}
    with run_server(serve_tiny(spacy_elmo.load())) as running, ThreadPoolExecutor() as threads:
        work = [threads.submit(running.post, fields) for _ in range(4)]
        waits = []
        while not all(done.done() for done in work):
            start = time.monotonic()
            assert running.get("/healthz").ok
            waits.append(time.monotonic() - start)
        assert all(done.result().ok for done in work)
        assert len(waits) > 5
        assert max(waits) < 1


def drop(running: Running, gate: Gate, n: int) -> None:
    """A client sends a request, and goes away."""
    with running.connect() as connection:
        connection.sendall(head(b'{"text": "dropped"}'))
        wait_for(lambda: running.server.admission.n_inside == n)


def test_client_that_waits_and_goes(elmo: Elmo, gate: Gate) -> None:
    """Its turn never comes."""
    with run_server(serve_tiny(elmo), limits=Limits(n_slots=1)) as running, ThreadPoolExecutor() as threads:
        work = threads.submit(running.post, {"text": "first"})
        assert gate.entered.acquire(timeout=PATIENCE)
        drop(running, gate, 2)
        wait_for(lambda: running.server.admission.n_inside == 1)
        last = threads.submit(running.post, {"text": "last"})
        gate.opened.set()
        assert work.result().ok
        assert last.result().ok
        assert gate.calls == [["first"], ["last"]]


def test_client_that_goes_while_it_computes(elmo: Elmo, gate: Gate) -> None:
    """Its slot is free when the thread is, which stops before it has written the answer."""
    with run_server(serve_tiny(elmo), limits=Limits(n_slots=1)) as running, ThreadPoolExecutor() as threads:
        drop(running, gate, 1)
        assert gate.entered.acquire(timeout=PATIENCE)
        last = threads.submit(running.post, {"text": "last"})
        wait_for(lambda: running.server.admission.n_inside == 2)
        assert gate.calls == [["dropped"]]
        gate.opened.set()
        assert last.result().ok
        assert running.server.admission.n_inside <= 1


def test_order(elmo: Elmo, gate: Gate) -> None:
    """First come, first served."""
    with run_server(serve_tiny(elmo), limits=Limits(n_slots=1)) as running, ThreadPoolExecutor(20) as threads:
        work = []
        for number in range(10):
            work.append(threads.submit(running.post, {"text": f"w{number}"}))
            wait_for(lambda n=number + 1: running.server.admission.n_inside == n)  # type: ignore[misc]
        gate.opened.set()
        assert all(done.result().ok for done in work)
        assert gate.calls == [[f"w{number}"] for number in range(10)]


def test_too_many(elmo: Elmo, gate: Gate) -> None:
    """Of those that wait, there is a number; more are told to come again."""
    limits = Limits(n_slots=1, n_waiting=3)
    with run_server(serve_tiny(elmo), limits=limits) as running, ThreadPoolExecutor(8) as threads:
        work = [threads.submit(running.post, {"text": "a"}) for _ in range(4)]
        wait_for(lambda: running.server.admission.n_inside == 4)
        refused = running.post({"text": "a"})
        code, message = get_error(refused, 503)
        assert code == "EL348"
        assert message.startswith("4 requests are in work or wait, and no more are accepted.")
        assert refused.headers["Retry-After"] == "5"
        assert running.get("/healthz").ok
        gate.opened.set()
        assert all(done.result().ok for done in work)
        assert running.post({"text": "a"}).ok


def test_no_more_threads(elmo: Elmo, gate: Gate) -> None:
    """Requests that have a slot may wait for a thread."""
    limits = Limits(n_slots=4, n_threads=1)
    with run_server(serve_tiny(elmo), limits=limits) as running, ThreadPoolExecutor(8) as threads:
        work = [threads.submit(running.post, {"text": "a"}) for _ in range(4)]
        wait_for(lambda: running.server.admission.n_inside == 4)
        assert gate.entered.acquire(timeout=PATIENCE)
        assert not gate.entered.acquire(timeout=0.2)
        gate.opened.set()
        assert all(done.result().ok for done in work)
