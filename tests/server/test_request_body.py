"""Bodies: strict JSON of one type, of a bounded length, in time."""

import socket
import time
from collections.abc import Iterator

import pytest
import requests

from spacy_elmo.elmo import Elmo
from spacy_elmo.server.limits import Limits
from tests.server.running import HOST, JSON, Running, get_error, head, read_all, run_server, serve_tiny, wait_for

LIMIT = Limits().max_body_bytes


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b"{", "Expecting property name"),
        (b'{"text": "a"', "delimiter"),
        (b'{"text": "a"} x', "Extra data"),
        (b"{'text': 'a'}", "double quotes"),
        (b'{"text": NaN}', "NaN is no number of JSON"),
        (b'{"text": -Infinity}', "-Infinity is no number"),
        (b'{"text": "a", "text": "b"}', "the key 'text' occurs twice"),
        (b'{"tokens": [{"a": 1, "b": 2, "a": 3}]}', "the key 'a' occurs twice"),
        (b'{"text": "\xff"}', "byte 10 is not UTF-8"),
        (b'\xef\xbb\xbf{"text": "a"}', "BOM"),
        ('{"text": "a"}'.encode("utf-16"), "byte 0 is not UTF-8"),
        (b'{"text": "a\nb"}', "control character"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text": ' + b"1" * 5_000 + b"}", "digits"),
        (b'["a"]', "it is ['a'] (list), not an object"),
        (b'"text"', "it is 'text', not an object"),
        (b"null", "it is None, not an object"),
    ],
)  # fmt: skip
def test_invalid_json(served: Running, body: bytes, reason: str) -> None:
    code, message = get_error(served.send(body), 400)
    assert code == "EL341"
    assert reason in message
    assert 'Send an object in UTF-8, such as {"text": "I love NLP."}.' in message


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "text/plain"}, "'text/plain'; allowed: application/json in UTF-8"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "'application/x-www-form-urlencoded'"),
        ({"Content-Type": ""}, "type ''"),
        ({"Content-Type": "application/json; charset=latin-1"}, "charset=latin-1"),
        ({"Content-Type": "application/jsonlines"}, "jsonlines"),
        ({"Content-Encoding": "gzip"}, "encoded as 'gzip'"),
    ],
)
def test_other_types(served: Running, headers: dict[str, str], words: str) -> None:
    response = served.send(b'{"text": "a"}', headers=headers)
    code, message = get_error(response, 415)
    assert code == "EL342"
    assert words in message
    assert response.headers["Accept"] == "application/json"


def test_no_type(served: Running) -> None:
    response = requests.post(served.url + "/api/embed", data=b"{}", timeout=30)
    assert "Content-Type" not in response.request.headers
    assert get_error(response, 415)[0] == "EL342"


@pytest.mark.parametrize("path", ["/api/embed", "/api/view"])
def test_long_body(served: Running, path: str) -> None:
    """A megabyte of text is refused by its length, and the connection stays usable."""
    with requests.Session() as session:
        url = served.url + path
        refused = session.post(url, data=b'{"text": "' + b"a b " * 262_144 + b'"}', headers=JSON, timeout=30)
        code, message = get_error(refused, 413)
        assert code == "EL340"
        assert message.startswith("The request has 1,048,588 bytes, but 262,144 are allowed.")
        assert session.post(url, data=b"{", headers=JSON, timeout=30).status_code == 400


def test_longest_body(served: Running) -> None:
    """One of exactly the length that is allowed is read."""
    body = b'{"text": "a"' + b" " * (LIMIT - 13) + b"}"
    assert len(body) == LIMIT
    assert served.send(body).status_code == 200
    assert served.send(body + b" ").status_code == 413


def test_long_body_without_length(served: Running) -> None:
    def chunks(n: int) -> Iterator[bytes]:
        yield b'{"text": "a"'
        for _ in range(n):
            yield b" " * 1_024
        yield b"}"

    assert served.send(chunks(200)).status_code == 200
    code, message = get_error(served.send(chunks(300)), 413)
    assert code == "EL340"
    assert "more than 262,144 bytes" in message


@pytest.mark.parametrize(("length", "status"), [(10**17, b"413"), (10**19, b"413"), (10**30, b"400")])
def test_absurd_length(served: Running, length: int, status: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(head(length=length))
        assert connection.recv(4_096).startswith(b"HTTP/1.1 " + status)


def test_length_before_the_body(served: Running) -> None:
    """A client that asks first is refused before it sends anything."""
    with served.connect() as connection:
        connection.sendall(head(length=10**9, more="Expect: 100-continue"))
        assert connection.recv(4_096).startswith(b"HTTP/1.1 413 ")
        assert served.get("/healthz").ok
    with served.connect() as connection:
        connection.sendall(head(length=2, more="Expect: 100-continue"))
        assert connection.recv(4_096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(4_096).startswith(b"HTTP/1.1 422 ")


def test_slow_body(elmo: Elmo) -> None:
    """One that comes byte by byte is refused after some time, which is no longer with each byte."""
    with run_server(serve_tiny(elmo), limits=Limits(body_seconds=1)) as running, running.connect() as connection:
        connection.sendall(head(b'{"text": ', length=100))
        start = time.monotonic()
        connection.settimeout(0.1)
        found = b""
        while not found and time.monotonic() < start + 10:
            connection.sendall(b" ")
            try:
                found = connection.recv(4_096)
            except TimeoutError:
                continue
        assert 0.9 < time.monotonic() - start < 5
        # The head and the body may come one after the other; then the connection is closed.
        connection.settimeout(10)
        found += read_all(connection)
        assert found.startswith(b"HTTP/1.1 408 ")
        assert b"EL349" in found
        assert b"The body did not arrive within 1 seconds." in found
        assert running.post({"text": "a"}).ok


def test_half_a_body(served: Running) -> None:
    """A client that goes away while it sends takes nothing with it."""
    admission = served.server.admission
    with served.connect() as connection:
        connection.sendall(head(b'{"text": ', length=100))
        wait_for(lambda: admission.n_inside == 1)
    wait_for(lambda: admission.n_inside == 0)
    assert served.post({"text": "a"}).ok


def test_lines_that_are_no_http(served: Running) -> None:
    with socket.create_connection((HOST, served.port), timeout=10) as connection:
        connection.sendall(b"EHLO example.org\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")
