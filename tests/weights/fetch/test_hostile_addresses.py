"""Answers that would hang or fill a process, and sources that only resemble addresses."""

import base64
import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from spacy_elmo.weights.fetch import web
from spacy_elmo.weights.fetch.attempt import attempt
from spacy_elmo.weights.fetch.folder_page import list_page
from spacy_elmo.weights.fetch.partial_file import Partial
from spacy_elmo.weights.fetch.progress import Progress
from spacy_elmo.weights.fetch.web import RefusedError
from spacy_elmo.weights.releases import File
from spacy_elmo.weights.source import find_release, is_local, read_weights
from tests.weights.fetch.server import Handler, Server, listing, redirect, show, status


@pytest.fixture
def packed(tiny: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("options.json", "weights.hdf5"):
            archive.write(tiny / name, name)
    return file.getvalue()


def trickle_page(handler: Handler, data: bytes) -> None:
    """Send a page without an end, a byte at a time: the next always comes before the client gives up."""
    handler.head(200, {"Content-Type": "text/html"})
    while not handler.server_state.released.wait(0.05):
        handler.wfile.write(b"x")
        handler.wfile.flush()


def test_a_page_without_an_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its start is read for the title, and for the list of a folder."""
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=r"EL141(?s:.)*got a web page"):
        read_weights(server.put("slow.zip", b"", *[trickle_page] * 9))
    server.put("slow/", b"", *[trickle_page] * 9)
    assert list_page(f"{server.url}/slow/") is None
    assert time.monotonic() - start < 10 * web.READ_TIMEOUT


def test_a_redirect_with_a_body(server: Server, packed: bytes) -> None:
    """What comes with it is not read."""
    sent = []

    def answer(handler: Handler, data: bytes) -> None:
        handler.head(302, {"Location": "/real.zip"})
        for _ in range(1000):
            handler.wfile.write(b"x" * 65536)
            sent.append(65536)

    server.put("real.zip", packed)
    read_weights(server.put("old.zip", b"", answer))
    # Some of it is on the way.
    assert sum(sent) < 32 << 20


@pytest.mark.parametrize("end", ["<![", "<!x[", "<a href='", "</", "<!--", "&#x"])
def test_a_list_that_is_no_html(server: Server, tiny: Path, end: str) -> None:
    for name in ("options.json", "weights.hdf5"):
        server.put(f"m/sub {name}", b"")
        server.put(f"m/my-{name}", (tiny / name).read_bytes())
    server.put("m/", listing("my-options.json", "my-weights.hdf5") + end.encode() * 1000, *[show] * 9)
    assert read_weights(f"{server.url}/m/").options == read_weights(tiny).options


def test_redirects_to_http(server: Server, packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    server.put("models/tiny.zip", packed)
    far = "http://models.example/models/tiny.zip"

    def leave(handler: Handler, data: bytes) -> None:
        handler.head(302, {"Location": far, "Content-Length": "0"})

    url = server.put("old.zip", b"", *[leave] * 9)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    part = Partial(tmp_path / "tiny.zip")
    with pytest.raises(RefusedError, match=r"redirects.*http://.*SPACY_ELMO_ALLOW_HTTP=1"):
        attempt(url, part, File("tiny.zip", (url,)), lambda done, total: None)
    monkeypatch.setenv("SPACY_ELMO_ALLOW_HTTP", "1")
    attempt(url, part, File("tiny.zip", (url,)), lambda done, total: None)
    assert part.path.read_bytes() == packed


def test_names_in_messages(server: Server) -> None:
    """Files are called as in their addresses, and every address is named once."""
    with pytest.raises(ConnectionError, match=r"EL141. 'my download' could not"):
        read_weights(f"{server.url}/my%20download?id=5")
    with pytest.raises(ConnectionError, match="EL280") as caught:
        read_weights(f"{server.url}/m/n")
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  ")]
    assert [line.split(": ")[0].removeprefix(f"  {server.url}") for line in lines] == [
        "/m/n", "/m/n/options.json", "/m/n/",
    ]  # fmt: skip
    server.put("locked.zip", b"", *[status(401)] * 9)
    with pytest.raises(ConnectionError, match=r"401 \(Unauthorized\): the server asks for a login"):
        read_weights(f"{server.url}/locked.zip")


@pytest.mark.parametrize(
    ("login", "sent"),
    [
        ("user:s3cret", "user:s3cret"),
        ("us%2Fer:p%C3%A4%40ss", "us/er:p\u00e4@ss"),
        ("user:\u0142", "user:\u0142"),
        ("token", "token:"),
    ],
)
def test_logins(server: Server, packed: bytes, login: str, sent: str) -> None:
    """They are sent in UTF-8, and to this host alone."""
    server.put("real.zip", packed)
    port = server.url.rpartition(":")[2]
    server.put("old.zip", b"", redirect(f"/localhost:{port}/real.zip"))
    read_weights(f"http://{login}@127.0.0.1:{port}/old.zip")
    assert server.headers("Authorization") == [f"Basic {base64.b64encode(sent.encode()).decode()}", None]


def test_one_line_of_progress(server: Server, tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However many forms of the address are tried."""
    for name in ("options.json", "weights.hdf5"):
        server.put(f"m/{name}", (tiny / name).read_bytes())
    read_weights(f"{server.url}/m")
    assert capsys.readouterr().err.count("Fetching") == 1


def test_a_bar_beside_a_long_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "80"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    address = f"https://models.example/{'a-long-path/' * 9}elmo.zip"
    with Progress(address, n_files=1, host="models.example", size=None, quiet=False) as progress:
        progress.add_file(1)(5000, 20_000)
    shown = capsys.readouterr().err
    assert "elmo.zip 1/1" in shown
    assert "5.0/20.0 kB" in shown


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("https:/host.example/elmo.zip", "https://host.example/elmo.zip"),
        (" https://host.example/elmo.zip", "https://host.example/elmo.zip"),
        ("host.example/elmo.zip", "https://host.example/elmo.zip"),
        ("user:s3cret@host.example/elmo.zip", "https://host.example/elmo.zip"),
        ("hf:owner/name", "hf://owner/name"),
    ],
)
def test_nearly_an_address(server: Server, source: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    with pytest.raises(FileNotFoundError, match=rf"EL010.*If it is an address, write '{meant}'") as caught:
        read_weights(source)
    assert "s3cret" not in str(caught.value)
    assert not server.seen


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://github.com/mheinzinger/SeqVec#readme", "seqvec"),
        ("https://schweter.eu/cloud/ta-elmo/", "ta/plur"),
        ("https://schweter.eu/cloud/ta-elmo", "ta/plur"),
        (["https://schweter.eu/cloud/ta-elmo/options.json#x", "https://schweter.eu/cloud/ta-elmo/weights.hdf5"],
         "ta/plur"),
    ],
)  # fmt: skip
def test_addresses_of_published_models(source: "str | list[str]", name: str) -> None:
    found = find_release(source)
    assert found is not None
    assert found.name == name


def test_no_pairs(server: Server) -> None:
    url = f"{server.url}/options.json"
    with pytest.raises(ValueError, match=r"EL025.*3 path\(s\)"):
        find_release([url, f"{server.url}/weights.hdf5", f"{server.url}/7.zip"])
    for other in ("hf://owner/name", "https://huggingface.co/owner/name"):
        with pytest.raises(ValueError, match=r"EL286.*is a repository on Hugging Face"):
            find_release([url, other])


def test_a_mirror_of_published_addresses(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has them as any other address: by host and path."""
    folder = tmp_path / "mirror" / "schweter.eu" / "cloud" / "ta-elmo"
    folder.mkdir(parents=True)
    for name in ("options.json", "weights.hdf5"):
        (folder / name).write_bytes((tiny / name).read_bytes())
    (folder / "my_options.json").write_bytes((tiny / "options.json").read_bytes())
    (folder / "my_weights.hdf5").write_bytes((tiny / "weights.hdf5").read_bytes())
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "mirror").as_uri())
    for source in ("ta/plur", "https://schweter.eu/cloud/ta-elmo/my_options.json"):
        assert not is_local(source)
        assert read_weights(source).options == read_weights(tiny).options


def test_redirects_to_another_host(server: Server, packed: bytes) -> None:
    server.put("real.zip", packed)
    port = server.url.rpartition(":")[2]
    read_weights(server.put("a.zip", b"", redirect(f"/localhost:{port}/real.zip")))
    assert server.headers("Host") == [f"127.0.0.1:{port}", f"localhost:{port}"]


def test_downloads_are_imported_late() -> None:
    """Commands that download nothing start without it."""
    code = "import sys, spacy_elmo.cli.commands; sys.exit('spacy_elmo.weights.fetch.model_cache' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
