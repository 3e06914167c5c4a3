"""The command in a process of its own: how it starts, what it refuses, how it ends."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
import spacy

from spacy_elmo import elmo, server
from spacy_elmo.cli.serve import serve
from spacy_elmo.server.http_server import HttpServer
from tests.cli.command import run
from tests.platforms import signals

HOST = "127.0.0.1"
PATIENCE = 60
# Some seconds of the bundled model on any machine, as one sentence.
LONG = {"tokens": [f"word{number}" for number in range(20_000)], "layers": ["elmo"]}


class Command(NamedTuple):
    """The command that runs.

    process (subprocess.Popen[str]): Its process.
    url (str): Its address.
    line (str): What it said when it started.
    """

    process: "subprocess.Popen[str]"
    url: str
    line: str

    def post(self, fields: Any) -> requests.Response:
        return requests.post(self.url + "/api/embed", json=fields, timeout=PATIENCE)

    def end(self, *numbers: int) -> str:
        """Send signals. RETURNS: what it says until it ends."""
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.3)
        return self.process.communicate(timeout=PATIENCE)[1]


@contextmanager
def start(*arguments: Any) -> Iterator[Command]:
    """Start the command at a free port."""
    command = [sys.executable, "-W", "error", "-m", "spacy_elmo", "serve", "--port", "0", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"http://\S+", line)
            assert found, line + process.stderr.read()
            yield Command(process, found[0], line)
        finally:
            process.kill()


@pytest.mark.slow
@signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop(tiny: Path, number: int) -> None:
    with start("--source", tiny) as command:
        assert re.fullmatch(
            r"spacy-elmo: serving tiny at http://127\.0\.0\.1:\d+ \(Ctrl-C stops it\)\n", command.line
        )
        assert command.post({"text": "I love NLP."}).json()["sentences"][0]["tokens"] == ["I", "love", "NLP", "."]
        with requests.get(command.url, timeout=PATIENCE) as page:
            assert page.headers["Content-Type"].startswith("text/html")
        assert command.end(number) == "spacy-elmo: Stopped\n"
        assert command.process.returncode == 0


@pytest.mark.slow
@signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_with_a_request_in_work(number: int) -> None:
    """It is answered in full, and nothing is said of it."""
    with start("--max-tokens", 20_000) as command, ThreadPoolExecutor() as threads:
        start_time = time.monotonic()
        assert command.post({**LONG, "tokens": LONG["tokens"][:1_000]}).ok
        # Some two seconds on this machine: less than the five that the server waits.
        n_tokens = min(20_000, int(2_000 / (time.monotonic() - start_time)))
        work = threads.submit(command.post, {**LONG, "tokens": LONG["tokens"][:n_tokens]})
        time.sleep(0.5)
        assert not work.done()
        assert command.end(number) == "spacy-elmo: Stopped\n"
        assert command.process.returncode == 0
        [sentence] = work.result().json()["sentences"]
        assert len(sentence["layers"]["elmo"]) == n_tokens


@pytest.mark.slow
@signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stop_with_a_long_request_in_work(number: int) -> None:
    """It is cut off after some seconds, and its thread does not keep the process."""
    fields = {"tokens": ["a"] * 50_000, "layers": ["elmo"]}
    with start("--max-tokens", 50_000) as command, ThreadPoolExecutor() as threads:
        work = threads.submit(command.post, fields)
        time.sleep(0.5)
        start_time = time.monotonic()
        assert command.end(number) == "spacy-elmo: Stopped\n"
        assert 5 < time.monotonic() - start_time < 10
        assert command.process.returncode == 0
        with pytest.raises(requests.ConnectionError):
            work.result()


@pytest.mark.slow
@signals
def test_stop_at_once() -> None:
    """A second Ctrl-C does not wait for the request."""
    with start("--max-tokens", 20_000) as command, ThreadPoolExecutor() as threads:
        work = threads.submit(command.post, LONG)
        time.sleep(0.5)
        start_time = time.monotonic()
        assert command.end(signal.SIGINT, signal.SIGINT) == ""
        assert time.monotonic() - start_time < 2
        assert command.process.returncode == -signal.SIGINT
        with pytest.raises(requests.ConnectionError):
            work.result()


@pytest.mark.slow
def test_mistakes(tiny: Path, tmp_path: Path) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", port, "--source", tiny, code=1)
        assert re.search(rf"EL354.*port {port} of 127\.0\.0\.1 .*Give another port, such as --port", done.stderr)
        assert done.stderr.count("\n") == 1
    assert "no such option" in run("serve", "--workers", 2, code=2).stderr.lower()


def serve_until_started(source: Any, **settings: Any) -> list[str]:
    """Call the function behind the command in a thread. RETURNS: what it says; it ends, or the test fails."""
    said: list[str] = []
    servers: list[HttpServer] = []
    is_started = threading.Event()

    def show(line: str) -> None:
        said.append(line)
        if line.startswith("serving"):
            is_started.set()

    def target() -> None:
        serve(source, port=0, show=show, control=servers.append, **settings)

    thread = threading.Thread(target=target)
    thread.start()
    assert is_started.wait(PATIENCE)
    servers[0].stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    return said


def test_lines(tiny: Path) -> None:
    said = serve_until_started(tiny)
    assert re.fullmatch(r"serving tiny at http://127\.0\.0\.1:\d+ \(Ctrl-C stops it\)", said[0])
    assert said[1:] == ["Stopped"]


def test_open_to_others(tiny: Path) -> None:
    said = serve_until_started(tiny, host="0.0.0.0", precision="fp32", lang="fr", n_threads=1, max_tokens=5)
    assert said[0] == ("warning: listening on 0.0.0.0: others who reach this computer can use the model, unasked")
    assert said[1].startswith("serving tiny at http://0.0.0.0:")


def test_pipeline(tiny: Path, tmp_path: Path) -> None:
    nlp = spacy.blank("de")
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny)})
    nlp("ein Wort")
    nlp.to_disk(tmp_path / "german")
    assert serve_until_started(None, pipeline=str(tmp_path / "german"))[0].startswith("serving german at ")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"source": "en_sm", "pipeline": "x"}, "EL065.*--source and --pipeline"),
        ({"lang": "en", "pipeline": "x"}, "EL065.*--lang and --pipeline"),
        ({"precision": "fp32", "pipeline": "x"}, "EL065.*--precision and --pipeline"),
        ({"n_threads": 1, "pipeline": "x"}, "EL065.*--n-threads and --pipeline"),
        ({"pipeline": "no_such_pipeline"}, "EL117.*no_such_pipeline"),
        ({"lang": "xyz"}, "EL246.*xyz"),
        ({"max_tokens": 0}, "EL098.*max_tokens"),
        ({"port": 70_000}, "EL098.*port"),
        ({"host": "203.0.113.77"}, r"EL355.*203\.0\.113\.77.*127\.0\.0\.1"),
        ({"precision": "fp31"}, "EL030.*fp31"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], match: str) -> None:
    with pytest.raises((ValueError, OSError), match=match):
        serve(**{"port": 0, **settings})


def test_no_start(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is no model, or Ctrl-C comes while it loads, the port is free again."""

    def interrupt(*arguments: object, **settings: object) -> None:
        with pytest.raises(OSError, match="in use"):
            socket.create_server((HOST, port))
        raise KeyboardInterrupt

    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(FileNotFoundError, match="nothing"):
        serve(tmp_path / "nothing", port=port)
    monkeypatch.setattr(elmo, "load", interrupt)
    with pytest.raises(KeyboardInterrupt):
        serve(tiny, port=port)
    socket.create_server((HOST, port)).close()


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "orjson"])
def test_without_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object:
        return None if name == package else name

    monkeypatch.setattr(server, "find_spec", find)
    with pytest.raises(ImportError, match=rf"EL353.*requires the package {package}.*\.\[server\]"):
        serve(port=0)
