"""Headers of answers, and hosts that are refused."""

import re

import pytest
import requests

from spacy_elmo.elmo import Elmo
from spacy_elmo.server.http_guard import is_loopback, list_hosts
from tests.server.running import Running, get_error, read_all, run_server, serve_tiny

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", ["/healthz", "/api/model", "/nothing", "/api/embed", "/assets/visual.css"])
def test_headers(served: Running, path: str) -> None:
    """All answers have them, also those to wrong requests."""
    headers = served.get(path).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("no-cache" if path.startswith("/assets") else "no-store")
    assert "server" not in headers
    assert not any(name.lower().startswith("access-control") for name in headers)


def test_other_sites(served: Running) -> None:
    """A browser asks before a page of another site sends JSON, and is not allowed to."""
    answer = requests.options(
        served.url + "/api/embed",
        headers={"Origin": "https://example.org", "Access-Control-Request-Method": "POST"},
        timeout=30,
    )
    assert answer.status_code == 405
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8000"]
)
def test_own_hosts(served: Running, host: str) -> None:
    assert served.get("/healthz", {"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "example.org:8000", "127.0.0.1.example.org", "localhost.example.org", "", "::1", "localhost:",
     "127.0.0.2", "localhost:80:80", "127.0.0.1:\u00b2"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/model", "/nothing"])
def test_other_hosts(served: Running, host: str, path: str) -> None:
    code, message = get_error(served.get(path, {"Host": host}), 421)
    assert code == "EL347"
    assert "allowed: localhost, 127.0.0.1, [::1]." in message
    assert message.endswith(" spacy-elmo serve --host 0.0.0.0")


def test_no_host(served: Running) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 421 " in read_all(connection).splitlines()[0]
    with served.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert b" 400 " in read_all(connection).splitlines()[0]


def test_open_to_others(elmo: Elmo) -> None:
    """Others have names for this computer that it does not know."""
    with run_server(serve_tiny(elmo), host="0.0.0.0") as running:
        assert running.get("/healthz", {"Host": "models.example.org"}).status_code == 200


@pytest.mark.parametrize(
    ("host", "hosts"),
    [
        ("127.0.0.1", ["localhost", "127.0.0.1", "[::1]"]),
        ("localhost", ["localhost", "127.0.0.1", "[::1]"]),
        ("127.0.0.3", ["localhost", "127.0.0.1", "[::1]", "127.0.0.3"]),
        ("::1", ["localhost", "127.0.0.1", "[::1]"]),
        ("0.0.0.0", None),
        ("::", None),
        ("192.168.0.2", None),
        ("example.org", None),
    ],
)
def test_hosts(host: str, hosts: list[str] | None) -> None:
    assert list_hosts(host) == hosts
    assert is_loopback(host) == (hosts is not None)


def test_policy_is_strict() -> None:
    assert not re.search(r"unsafe|\*|https?:", POLICY)
