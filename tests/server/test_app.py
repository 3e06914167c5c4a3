"""Routes, and what becomes of wrong ones and of failures."""

import logging
import re

import pytest
import requests

from spacy_elmo.elmo import Elmo
from spacy_elmo.server import app
from tests.server.running import Running, get_error, run_server, serve_tiny


def test_health(served: Running) -> None:
    answer = served.get("/healthz")
    assert answer.json() == {"status": "ok", "model": "tiny"}
    assert answer.headers["Content-Type"] == "application/json"


def test_model(served: Running) -> None:
    elmo = served.model.elmo
    assert served.get("/api/model").json() == {
        "model": "tiny",
        "layers": ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"],
        "widths": {"word_emb": elmo.width("word_emb"), **dict.fromkeys(elmo.layer_names[1:], elmo.width("elmo"))},
        "n_layers": 2,
        "lang": "en",
        "limits": {"max_tokens": 2_048, "max_body_bytes": 262_144},
        "styles": ["neighbours", "similarity", "map", "layers", "drift"],
    }


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/assets/page.css", "text/css"),
        ("/assets/page.js", "text/javascript"),
        ("/assets/visual.css", "text/css"),
        ("/assets/visual.js", "text/javascript"),
    ],
)
def test_page(served: Running, path: str, kind: str) -> None:
    answer = served.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert answer.text
    assert served.send(b"", path).status_code == 405


def test_files_of_the_page(served: Running) -> None:
    """The page is served with all scripts and styles that it names."""
    page = served.get("/").text
    names = set(re.findall(r'(?:href|src)="assets/([\w.]+)"', page))
    assert names >= {"visual.css", "visual.js", "page.css", "page.js"}
    for name in names | {path.name for path in app.ASSETS.iterdir() if path.suffix != ".html"}:
        answer = served.get(f"/assets/{name}")
        assert answer.ok, name
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api", "/api/model/", "/assets/", "/assets/app.py", "/assets/../app.py", "/assets/%2e%2e/app.py",
     "/assets/..%2f..%2fapp.py", "//example.org/", "/assets/index.html", "/%00", "/assets/\U0001f600",
     "/api/embed/x"],
)  # fmt: skip
def test_no_such_path(served: Running, path: str) -> None:
    code, message = get_error(served.get(path), 404)
    assert code == "EL350"
    assert "The page is at /, and the API at /api/model and /api/embed." in message


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/api/embed", "POST"), ("PUT", "/api/view", "POST"), ("DELETE", "/api/model", "GET")],
)
def test_other_methods(served: Running, method: str, path: str, allowed: str) -> None:
    answer = requests.request(method, served.url + path, timeout=30)
    code, message = get_error(answer, 405)
    assert code == "EL351"
    assert message.startswith(f"The method {method} is not allowed for {path}; allowed: ")
    assert allowed in message
    assert allowed in answer.headers["Allow"]


def test_failure(elmo: Elmo, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """What is no mistake of the user's is logged, and its text is not shown."""

    def fail(*arguments: object, **settings: object) -> None:
        raise RuntimeError("a secret of /home/someone")

    with run_server(serve_tiny(elmo)) as running:
        monkeypatch.setattr(elmo, "embed", fail)
        with caplog.at_level(logging.ERROR):
            answer = running.post({"text": "a"})
        assert get_error(answer, 500) == (
            "EL352",
            "The server failed on this request, and has logged why. Read its standard error, and report it.",
        )
        assert "X-Content-Type-Options" in answer.headers
        assert "POST /api/embed failed" in caplog.text
        assert "a secret of /home/someone" in caplog.text
        assert running.server.admission.n_inside == 0
        monkeypatch.undo()
        assert running.post({"text": "a"}).ok
