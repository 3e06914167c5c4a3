import hashlib
import io
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spacy_elmo.weights.fetch import attempt, web
from spacy_elmo.weights.fetch import download as module
from spacy_elmo.weights.fetch.download import Report, download
from spacy_elmo.weights.fetch.partial_file import Origin, Partial
from spacy_elmo.weights.fetch.web import WrongError
from spacy_elmo.weights.releases import File
from tests.platforms import named_pipes, proc
from tests.weights.fetch.server import (
    Answer,
    Server,
    cut,
    encoded,
    etag,
    ignore_range,
    lie,
    more,
    page,
    part,
    piece,
    redirect,
    stall,
    status,
    trickle,
    trickle_head,
    wrong_byte,
)  # fmt: skip


@pytest.fixture
def data(tiny: Path) -> bytes:
    """The content of a real weights file."""
    return (tiny / "weights.hdf5").read_bytes()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights.hdf5"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def download_from(
    urls: list[str], target: Path, *, report: Report = lambda done, total: None, **known: Any
) -> None:
    """Download a file of which this is known."""
    download(File(target.name, tuple(urls), **known), target, report=report)


def get(server: Server, data: bytes, target: Path, *faults: Answer, **known: Any) -> None:
    """Download the file after these faults, and check that nothing else is left."""
    download_from([server.put("weights.hdf5", data, *faults)], target, **known)
    assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]
    assert server.faults["weights.hdf5"] == []


def fail(urls: list[str], target: Path, *, words: list[str], **known: Any) -> str:
    """RETURNS: the message of a download that fails; nothing has the file's name then."""
    with pytest.raises(ConnectionError, match=r"EL141.*'weights\.hdf5'") as caught:
        download_from(urls, target, **known)
    message = str(caught.value)
    for word in [*words, *urls, "SPACY_ELMO_MIRROR"]:
        assert word in message
    assert not target.exists()
    return message


def test_it_comes(server: Server, data: bytes, target: Path) -> None:
    reports: list[tuple[int, Any]] = []
    get(server, data, target, size=len(data), sha256=sha256(data), report=lambda *report: reports.append(report))
    assert server.headers("Accept-Encoding") == ["identity"]
    assert server.headers("Range") == [None]
    assert reports[-1] == (len(data), len(data))
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


def test_resume_after_lost_connection(server: Server, data: bytes, target: Path) -> None:
    get(server, data, target, cut, cut)
    third = int(0.3 * len(data))
    assert server.headers("Range") == [None, f"bytes={third}-", f"bytes={2 * third}-"]
    assert server.headers("If-Range") == [None, etag(data), etag(data)]
    assert server.whole == []


def test_stalled_server(server: Server, data: bytes, target: Path) -> None:
    get(server, data, target, stall)
    first, second = server.headers("Range")
    # The last chunk is lost with the socket's buffer.
    assert first is None
    assert second is not None
    assert 0 < int(second[len("bytes=") : -1]) <= 0.3 * len(data)


def test_attempts_are_bounded(server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.put("weights.hdf5", data, *[status(503)] * 10)
    fail([url], target, words=["HTTP status 503"])
    assert len(server.seen) == module.TRIES
    # Attempts that bring enough bytes do not count.
    monkeypatch.setattr(attempt, "CHUNK", 1000)
    monkeypatch.setattr(module, "WORTH_AN_ATTEMPT", len(data) // 4)
    monkeypatch.setattr(module, "TRIES", 1)
    get(server, data, target, cut, cut, cut)


def test_cut_too_often(server: Server, data: bytes, target: Path) -> None:
    server.has_etags = False
    url = server.put("weights.hdf5", data, *[cut] * 10)
    fail([url], target, words=[f"{int(0.3 * len(data))} bytes read"])
    assert len(server.seen) == module.TRIES


def test_resume_in_new_process(server: Server, data: bytes, target: Path) -> None:
    url = server.put("weights.hdf5", data, cut, *[status(503)] * 10)
    fail([url], target, words=["503"])
    assert {path.name for path in target.parent.iterdir()} == {"weights.hdf5.part", "weights.hdf5.part.json"}
    server.seen.clear()
    get(server, data, target)
    assert server.headers("Range") == [f"bytes={int(0.3 * len(data))}-"]


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"url": 1}', '{"url": "other", "version": "x"}'])
def test_unknown_origin(server: Server, data: bytes, target: Path, note: str) -> None:
    Partial(target).path.write_bytes(b"other bytes")
    target.with_name("weights.hdf5.part.json").write_text(note)
    get(server, data, target)
    assert server.headers("Range") == [None]


def test_no_versions(server: Server, data: bytes, target: Path) -> None:
    server.has_etags = False
    get(server, data, target, cut)
    assert server.headers("Range") == [None, None]
    target.unlink()
    server.seen.clear()
    # A checksum also proves that the parts belong together.
    get(server, data, target, cut, sha256=sha256(data))
    assert server.headers("Range")[1] is not None
    assert server.headers("If-Range") == [None, None]


@pytest.mark.parametrize("answer", [ignore_range, piece, lie(-7), lie(7), status(416), status(429)])
def test_wrong_range(server: Server, data: bytes, target: Path, answer: Answer) -> None:
    get(server, data, target, cut, answer)


@pytest.mark.parametrize("answer", [ignore_range, part], ids=["If-Range is heeded", "If-Range is ignored"])
def test_other_version(server: Server, data: bytes, target: Path, answer: Answer) -> None:
    url = server.put("weights.hdf5", data, cut, *[status(503)] * 10)
    fail([url], target, words=["503"])
    get(server, bytes(reversed(data)), target, answer)


def test_wrong_bytes(server: Server, data: bytes, target: Path) -> None:
    good, wrong = (
        sha256(data),
        data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
    )
    get(server, data, target, wrong_byte, sha256=good)
    target.unlink()
    urls = [server.put(name, data, wrong_byte, wrong_byte) for name in ("a", "b")]
    fail(urls, target, words=[good, sha256(wrong)], sha256=good)
    assert list(target.parent.iterdir()) == []
    server.put("a", data, wrong_byte, wrong_byte)
    server.seen.clear()
    download_from(urls, target, sha256=good)
    assert target.read_bytes() == data
    assert server.paths() == ["a", "a", "b"]


@pytest.mark.parametrize("number", [401, 403, 404, 410])
def test_the_next_url_at_once(server: Server, data: bytes, target: Path, number: int) -> None:
    urls = [server.put("first", data, status(number)), server.put("second", data)]
    download_from(urls, target)
    assert target.read_bytes() == data
    assert server.paths() == ["first", "second"]


@pytest.mark.parametrize("is_known", [False, True])
def test_resume_elsewhere_by_checksum(server: Server, data: bytes, target: Path, is_known: bool) -> None:
    urls = [server.put("first", data, cut, status(404)), server.put("second", data)]
    download_from(urls, target, sha256=sha256(data) if is_known else None)
    assert target.read_bytes() == data
    assert server.headers("Range")[2] == (f"bytes={int(0.3 * len(data))}-" if is_known else None)
    assert server.headers("If-Range")[2] is None


def test_parts_of_different_files(server: Server, data: bytes, target: Path) -> None:
    urls = [server.put("first", bytes(len(data)), cut, status(404)), server.put("second", data)]
    download_from(urls, target, sha256=sha256(data))
    assert target.read_bytes() == data


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_page_is_no_model(server: Server, data: bytes, target: Path, kind: str) -> None:
    urls = [server.put("first", data, *[page(kind)] * 9), server.put("second", data)]
    fail(urls[:1], target, words=["got a web page instead of the file"])
    download_from(urls, target)
    assert target.read_bytes() == data


def test_page_keeps_part(server: Server, data: bytes, target: Path) -> None:
    """Networks that require a login send such pages."""
    url = server.put("weights.hdf5", data, cut, page("text/html"))
    fail([url], target, words=["got a web page instead of the file"])
    server.seen.clear()
    get(server, data, target)
    assert server.headers("Range") == [f"bytes={int(0.3 * len(data))}-"]


def test_origin_of_new_bytes(target: Path) -> None:
    part = Partial(target)
    part.begin(Origin("url", "version")).close()
    assert part.origin == ("url", "version")
    part.begin(None).close()
    assert part.origin is None


def test_too_many_bytes(server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    get(server, data, target, more(announced=True))
    target.unlink()
    url = server.put("weights.hdf5", data, *[more(announced=False)] * 9)
    fail([url], target, words=[f"more than the expected {len(data):,} bytes"], size=len(data))
    monkeypatch.setattr(attempt, "MOST_BYTES", 60_000)
    fail([url], target, words=["more than the expected 60,000 bytes"])
    server.put("weights.hdf5", data)
    fail([url], target, words=["its size is 65,184 bytes; allowed: 60,000"])


def test_wrong_size(server: Server, data: bytes, target: Path) -> None:
    url = server.put("weights.hdf5", data)
    fail([url], target, words=[f"its size is {len(data):,} bytes, expected 10"], size=10)
    fail([server.put("empty", b"")], target, words=["empty"])
    assert list(target.parent.iterdir()) == []


def test_redirects(server: Server, data: bytes, target: Path) -> None:
    server.put("elsewhere", data)
    get(server, data, target, redirect("elsewhere"))
    assert server.paths() == ["weights.hdf5", "elsewhere"]


def test_encoded_on_the_way(server: Server, data: bytes, target: Path) -> None:
    fail([server.put("weights.hdf5", data, encoded("gzip"))], target, words=["the response is encoded (gzip)"])
    # Some servers describe a .gz file in this way.
    download_from([server.put("model.tar.gz", data, encoded("x-gzip"))], target)
    assert target.read_bytes() == data


def test_files(server: Server, data: bytes, target: Path, tmp_path: Path) -> None:
    source = tmp_path / "with a space.hdf5"
    missing = (tmp_path / "missing").as_uri()
    source.write_bytes(data)
    fail([missing], target, words=["No such file"])
    fail([source.as_uri()], target, words=["0" * 64, sha256(data)], sha256="0" * 64)
    download_from([missing, source.as_uri()], target, sha256=sha256(data))
    assert target.read_bytes() == data
    assert {path.name for path in tmp_path.iterdir()} == {"weights.hdf5", "with a space.hdf5"}


@pytest.mark.parametrize("url", ["ftp://example.com/x", "http://", "x", "http://127.0.0.1:1/x"])
def test_bad_urls(server: Server, target: Path, url: str) -> None:
    message = fail([url], target, words=[])
    assert len(message.splitlines()[1]) < 130


def test_a_full_disk(server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Partial, "begin", lambda self, origin: Full())
    with pytest.raises(OSError, match=r"EL142.*No space left.*SPACY_ELMO_CACHE") as caught:
        download_from([server.put("weights.hdf5", data)], target)
    assert str(target.parent) in str(caught.value)
    assert len(server.seen) == 1


def test_proxies(server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.put("weights.hdf5", data)
    download_from(["http://models.example/weights.hdf5"], target)
    assert target.read_bytes() == data
    assert [seen.target for seen in server.seen] == ["http://models.example/weights.hdf5"]


def test_huge_sizes(tmp_path: Path) -> None:
    """Python refuses to parse such numbers; the next server is tried."""
    part, many = Partial(tmp_path / "file"), "9" * 5000
    assert attempt._body("http://host/file", 200, {"Content-Length": many}, part, asked={}).total is None
    headers = {"Content-Range": f"bytes {many}-{many}/{many}"}
    with pytest.raises(WrongError):
        attempt._body("http://host/file", 206, headers, part, asked={"Range": "bytes=5-"})


def test_slow_server(server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never stalls, but would take days. The bytes so far are kept."""
    monkeypatch.setattr(attempt, "SLOW_AFTER", 0.2)
    start = time.monotonic()
    words = ["127.0.0.1", "too slow: ", " bytes in "]
    fail([server.put("weights.hdf5", data, *[trickle] * 4)], target, words=words)
    assert len(server.seen) == 4
    assert time.monotonic() - start < 10
    kept = target.with_name("weights.hdf5.part").read_bytes()
    assert 0 < len(kept) < 100
    assert data.startswith(kept)
    get(server, data, target)
    assert server.headers("Range")[-1] == f"bytes={len(kept)}-"


def test_a_head_that_trickles(server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "HEAD_TIMEOUT", 0.2)
    faults = [trickle_head] * 4
    fail([server.put("weights.hdf5", data, *faults)], target, words=["no answer within 0.2 seconds"])
    get(server, data, target)


def test_fast_server(server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "SLOW_AFTER", 0.0)
    monkeypatch.setattr(attempt, "CHUNK", 1 << 10)
    get(server, data, target)


@pytest.mark.parametrize("known", [False, True])
def test_a_redirect_to_http(
    server: Server, data: bytes, target: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """A redirect from https to http is unsafe without a checksum."""
    real = attempt.request

    def lead(url: str, headers: Any) -> Any:
        response: Any = real(server.put("weights.hdf5", data), headers)
        response.history = [SimpleNamespace(url=url)]
        response.url = "http://models.example/weights.hdf5"
        return response

    monkeypatch.setattr(attempt, "request", lead)
    if known:
        download_from(["https://models.example/weights.hdf5"], target, sha256=sha256(data))
        assert target.read_bytes() == data
    else:
        fail(["https://models.example/weights.hdf5"], target, words=["redirects to an address with http://"])
        assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    "kind", [pytest.param("pipe", marks=named_pipes), "folder", "empty", pytest.param("kernel", marks=proc)]
)
def test_files_that_are_none(data: bytes, target: Path, tmp_path: Path, kind: str) -> None:
    """Reading a named pipe or a file of the kernel may block."""
    source = tmp_path / "source"
    if kind == "pipe":
        os.mkfifo(source)
    elif kind == "folder":
        source.mkdir()
    elif kind == "empty":
        source.write_bytes(b"")
    else:
        source = Path("/proc/kmsg")
    words = {"pipe": ["EL251", "a named pipe"], "folder": ["EL251", "a folder"], "empty": ["the file is empty"]}
    fail([source.as_uri()], target, words=words.get(kind, []))
    assert not target.exists()


@pytest.mark.parametrize("password", ["s3cret", "s3/cret", "s3@cret", "s3:c@r/et"])
def test_hides_credentials(server: Server, data: bytes, target: Path, password: str) -> None:
    where = server.url.removeprefix("http://")
    server.put("weights.hdf5", data, *[status(403)] * 9)
    url = f"http://user:{password}@{where}/weights.hdf5?token=t0kens"
    with pytest.raises(ConnectionError, match=r"EL141") as caught:
        download_from([url], target)
    message = str(caught.value)
    assert f"http://{where}/weights.hdf5?...: " in message
    assert not [secret for secret in (password, "s3", "cret", "t0kens", "et@") if secret in message]


def test_stores_no_credentials(server: Server, data: bytes, target: Path) -> None:
    where = server.url.removeprefix("http://")
    server.put("weights.hdf5", data, cut, status(403))
    with pytest.raises(ConnectionError, match="EL141"):
        download_from([f"http://user:s3cret@{where}/weights.hdf5?token=t0kens"], target)
    note = target.with_name("weights.hdf5.part.json").read_text()
    assert where in note
    assert "s3cret" not in note
    assert "t0kens" not in note
