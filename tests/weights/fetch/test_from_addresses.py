"""Models by their addresses, from a server of the tests."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.language_model.storage import read_model
from spacy_elmo.weights.arrays import softmax_facts
from spacy_elmo.weights.fetch.download import download
from spacy_elmo.weights.fetch.partial_file import Partial
from spacy_elmo.weights.releases import File
from spacy_elmo.weights.source import find_files, is_local, read_weights
from tests.weights.fetch.server import Server, listing, redirect, refuse_python, show, status


@pytest.fixture
def options(tiny: Path) -> bytes:
    return (tiny / "options.json").read_bytes()


@pytest.fixture
def weights(tiny: Path) -> bytes:
    return (tiny / "weights.hdf5").read_bytes()


@pytest.fixture
def packed(options: bytes, weights: bytes) -> bytes:
    """A zip of a model in a folder."""
    return pack(options, weights)


def pack(options: bytes, weights: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/options.json", options)
        archive.writestr("model/weights.hdf5", weights)
    return file.getvalue()


def pack_tar(options: bytes, weights: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in (("options.json", options), ("weights.hdf5", weights)):
            info = tarfile.TarInfo(f"model/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def put_pair(server: Server, options: bytes, weights: bytes, folder: str = "models/tiny") -> str:
    """Serve a pair. RETURNS: the address of its folder, with a slash."""
    server.put(f"{folder}/options.json", options)
    server.put(f"{folder}/weights.hdf5", weights)
    return f"{server.url}/{folder}/"


def check(source: "str | Sequence[str]", tiny: Path) -> Path:
    """Read a model from addresses, and compare it. RETURNS: its weights file."""
    found, expected = read_weights(source), read_weights(tiny)
    assert found.options == expected.options
    for name, array in expected.arrays.items():
        assert (found.arrays[name] == array).all()
    return Path(found.source)


def test_every_form_of_a_pair(server: Server, options: bytes, weights: bytes, tiny: Path) -> None:
    folder = put_pair(server, options, weights)
    pair = [f"{folder}options.json", f"{folder}weights.hdf5"]
    for source in (folder, folder.rstrip("/"), *pair, pair, pair[::-1]):
        server.seen.clear()
        assert not is_local(source)
        assert check(source, tiny).name == "weights.hdf5"
        assert server.seen
        assert is_local(source)
    server.seen.clear()
    check(folder, tiny)
    assert not server.seen


def test_names_of_allennlp(server: Server, options: bytes, weights: bytes, tiny: Path) -> None:
    urls = [server.put("elmo/my_options.json", options), server.put("elmo/my_weights.hdf5", weights)]
    for source in (*urls, urls):
        check(source, tiny)


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        ("tar", bytes), ("tar.gz", gzip.compress), ("tgz", gzip.compress), ("tar.bz2", bz2.compress),
        ("tbz2", bz2.compress), ("tar.xz", lzma.compress), ("txz", lzma.compress),
    ],
)  # fmt: skip
def test_tar_archives(
    server: Server, options: bytes, weights: bytes, tiny: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    path = check(server.put(f"models/7.{ending}", compress(pack_tar(options, weights))), tiny)
    assert path.parent.name == "model"


def test_zip_archive(server: Server, packed: bytes, tiny: Path) -> None:
    assert check(server.put("models/7.zip", packed), tiny).parent.name == "model"


def test_a_real_use(server: Server, packed: bytes, elmo: Elmo) -> None:
    url = server.put("models/tiny.zip", packed)
    loaded = spacy_elmo.load(f"{url}#md5={hashlib.md5(packed).hexdigest()}")
    for got, expected in zip(loaded.embed([["A", "bank"]]), elmo.embed([["A", "bank"]])):
        assert torch.equal(torch.as_tensor(got.elmo), torch.as_tensor(expected.elmo))


def test_the_agent(server: Server, options: bytes, weights: bytes, tiny: Path) -> None:
    """Hosts answer 406 to the default name of Python's libraries."""
    folder = put_pair(server, options, weights)
    for name in ("options.json", "weights.hdf5"):
        server.faults[f"models/tiny/{name}"] = [refuse_python]
    check(f"{folder}options.json", tiny)
    assert set(server.headers("User-Agent")) == {f"spacy-elmo/{spacy_elmo.__version__}"}


@pytest.mark.parametrize("name", ["my model.zip", "100%.zip", "50%25.zip", "mödel.zip", "a%2Fb.zip", "a+b.zip"])
def test_odd_names(server: Server, packed: bytes, tiny: Path, models: Path, name: str) -> None:
    # What requests makes of such an address.
    sent = {
        "my model.zip": "my%20model.zip", "100%.zip": "100%25.zip", "mödel.zip": "m%C3%B6del.zip",
    }.get(name, name)  # fmt: skip
    server.put(f"models/{sent}", packed)
    path = check(f"{server.url}/models/{name}", tiny)
    assert path.is_relative_to(models)
    assert len(list(models.iterdir())) == 3


def test_redirects(server: Server, packed: bytes, tiny: Path) -> None:
    server.put("real.zip", packed)
    server.put("old.zip", b"", redirect("older.zip"))
    server.put("older.zip", b"", redirect("real.zip"))
    check(f"{server.url}/old.zip", tiny)
    server.put("loop.zip", b"", *[redirect("loop.zip")] * 200)
    with pytest.raises(ConnectionError, match=r"EL141(?s:.)*redirects"):
        read_weights(f"{server.url}/loop.zip")


def test_a_short_address(server: Server, packed: bytes, options: bytes, weights: bytes, tiny: Path) -> None:
    """It says nothing about the file that it leads to."""
    server.put("real.zip", packed)
    server.put("2SV0bPc", b"", redirect("real.zip"))
    check(f"{server.url}/2SV0bPc", tiny)
    server.put("download", packed)
    check(f"{server.url}/download?id=1&confirm=t", tiny)
    urls = [f"{server.url}/get?id=1", f"{server.url}/get2?id=2"]
    server.put("get", options)
    server.put("get2", weights)
    assert check(urls, tiny).name == "weights.hdf5"
    assert check(urls[::-1], tiny).name == "weights.hdf5"


def test_weights_alone(server: Server, weights: bytes, models: Path) -> None:
    """The options follow from the shapes."""
    url = server.put("models/alone.hdf5", weights)
    with pytest.warns(UserWarning, match=r"WL08\d"):
        found = read_weights(url)
    assert found.options.lstm.n_layers == 2
    assert "models/options.json" in server.paths()
    # A server that fails is not one that has no such file.
    server.put("models/options.json", b"", *[status(500)] * 9)
    with pytest.raises(ConnectionError, match=r"EL141.*options.json"):
        read_weights(server.put("models/other.hdf5", weights))


def test_a_list_of_files(server: Server, options: bytes, weights: bytes, tiny: Path) -> None:
    server.put("m/slovenian/options.json", options)
    server.put("m/slovenian/slovenian-elmo-weights.hdf5", weights)
    names = ("options.json", "slovenian-elmo-weights.hdf5", "README.md", "https://elsewhere.example/weights.hdf5")
    server.put("m/slovenian/", listing(*names), *[show] * 9)
    assert check(f"{server.url}/m/slovenian/", tiny).name == "slovenian-elmo-weights.hdf5"
    server.put("m/two/", listing("options.json", "a.hdf5", "b.hdf5"), *[show] * 9)
    with pytest.raises(ValueError, match=r"EL277.*a.hdf5.*b.hdf5"):
        read_weights(f"{server.url}/m/two/")


@pytest.mark.parametrize(
    "link",
    ["../options.json", "/etc/options.json", "//other.example/options.json", "sub/options.json", "file:///options.json",
     "%2e%2e%2foptions.json", "javascript:options.json", "http://[options.json"],
)  # fmt: skip
def test_links_that_lead_elsewhere(server: Server, options: bytes, weights: bytes, link: str) -> None:
    for name in ("options.json", "etc/options.json", "m/sub/options.json"):
        server.put(name, options)
    server.put("m/weights.hdf5", weights)
    server.put("m/", listing(link, "weights.hdf5"), *[show] * 9)
    with pytest.raises(ConnectionError, match="EL280"):
        read_weights(f"{server.url}/m/")


def test_nothing_there(server: Server, models: Path) -> None:
    with pytest.raises(ConnectionError, match=r"EL280.*No model was found(?s:.)*404") as caught:
        read_weights(f"{server.url}/m")
    for tried in ("/m:", "/m/options.json:"):
        assert f"{server.url}{tried}" in str(caught.value)
    assert not list(models.glob("url--*.json"))
    with pytest.raises(ConnectionError, match=r"EL141.*7\.zip(?s:.)*404 \(Not Found\)"):
        read_weights(f"{server.url}/7.zip")


@pytest.mark.parametrize("path", ["7.zip", "m/options.json", "get?id=5", "m"])
def test_a_page_in_place_of_a_file(server: Server, path: str) -> None:
    page = b"<html><head><title>Google Drive - Virus scan warning &amp; more</title></head></html>"
    server.put(path.split("?")[0], page, *[show] * 9)
    words = r"EL(141|280)(?s:.)*got a web page instead of the file \('Google Drive - Virus scan warning & more'\)"
    with pytest.raises(ConnectionError, match=words):
        read_weights(f"{server.url}/{path}")


def test_a_checksum(server: Server, packed: bytes, tiny: Path, models: Path) -> None:
    url = server.put("models/tiny.zip", packed)
    md5, sha256 = hashlib.md5(packed).hexdigest(), hashlib.sha256(packed).hexdigest()
    for wrong in (f"{url}#md5={'0' * 32}", f"{url}#sha256={'0' * 64}", f"{url}#md5={md5}&sha256={'0' * 64}"):
        with pytest.raises(ConnectionError, match=r"EL141(?s:.)*its (md5|sha256) is .*, expected 0+"):
            read_weights(wrong)
        assert not is_local(wrong)
    assert check(f"{url}#md5={md5.upper()}", tiny)
    # The same model, with and without a checksum, which is compared with what was downloaded.
    server.seen.clear()
    assert check(url, tiny) == check(f"{url}#sha256={sha256}", tiny)
    assert not server.seen
    with pytest.raises(ValueError, match=rf"EL145.*its md5 is {md5}, expected 0+"):
        read_weights(f"{url}#md5={'0' * 32}")
    assert len(list(models.glob("*.lock"))) == 1


def test_checksums_of_a_pair(server: Server, options: bytes, weights: bytes, tiny: Path) -> None:
    folder = put_pair(server, options, weights)
    known = f"#md5={hashlib.md5(weights).hexdigest()}"
    check([f"{folder}options.json", f"{folder}weights.hdf5{known}"], tiny)
    with pytest.raises(ValueError, match=r"EL145.*options.json.*md5"):
        read_weights([f"{folder}options.json{known}", f"{folder}weights.hdf5"])
    with pytest.raises(ConnectionError, match=r"EL141.*options.json(?s:.)*md5"):
        read_weights(f"{folder}options.json{known}")
    with pytest.raises(ValueError, match=r"EL276.*folder"):
        read_weights(folder + known)


@pytest.mark.parametrize("fragment", ["sha1=0123", "md5=12", "md5=" + "g" * 32, "sha256=" + "0" * 63, "md5="])
def test_no_checksum(server: Server, fragment: str) -> None:
    with pytest.raises(ValueError, match=r"EL274.*#sha256= with 64.*#md5= with 32"):
        read_weights(f"{server.url}/7.zip#{fragment}")
    assert not server.seen


def test_another_publication(server: Server, options: bytes, weights: bytes, packed: bytes, models: Path) -> None:
    """The checksum of the first download counts."""
    url = server.put("models/tiny.zip", packed)
    folder = find_files(url).weights.parent.parent
    shutil.rmtree(folder)
    server.files["models/tiny.zip"] = pack(options, weights + b"new")
    with pytest.raises(ValueError, match=r"EL146.*tiny.zip.*was first downloaded|EL146.*tiny.zip"):
        read_weights(url)
    server.files["models/tiny.zip"] = packed
    read_weights(url)
    (weights_file,) = folder.rglob("weights.hdf5")
    weights_file.write_bytes(weights + b"changed")
    with pytest.raises(ValueError, match=r"EL145.*has changed"):
        read_weights(url)


def test_offline(server: Server, packed: bytes, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.put("models/tiny.zip", packed)
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"EL143.*tiny\.zip"):
        read_weights(url)
    assert not server.seen
    monkeypatch.delenv("SPACY_ELMO_OFFLINE")
    check(url, tiny)
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", "1")
    check(url, tiny)


def test_a_mirror(
    server: Server, options: bytes, weights: bytes, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a file under its host and path, under its folder, or, with a name of its own, directly."""
    mirror = tmp_path / "mirror"
    (mirror / "models.example" / "a" / "b").mkdir(parents=True)
    (mirror / "models.example" / "a" / "b" / "options.json").write_bytes(options)
    (mirror / "b").mkdir()
    (mirror / "b" / "weights.hdf5").write_bytes(weights)
    monkeypatch.setenv("SPACY_ELMO_MIRROR", mirror.as_uri())
    check("https://models.example/a/b/options.json", tiny)
    (mirror / "my tiny.zip").write_bytes(pack(options, weights))
    check("https://models.example/x/my%20tiny.zip", tiny)
    # Every model has files of these names.
    for name in ("options.json", "weights.hdf5"):
        shutil.copy(tiny / name, mirror / name)
    with pytest.raises(ConnectionError, match="EL280"):
        read_weights("https://models.example/c/d/options.json")
    assert not server.seen


def test_http(server: Server, packed: bytes, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over http, anybody on the way could change the file: https is tried first, and alone without a checksum."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    server.put("models/tiny.zip", packed)
    url = "http://models.example/models/tiny.zip"
    words = rf"EL141(?s:.)*https://models.example/models/tiny.zip: (?s:.)*{url}: not tried.*SPACY_ELMO_ALLOW_HTTP"
    with pytest.raises(ConnectionError, match=words):
        read_weights(url)
    assert not server.seen
    check(f"{url}#md5={hashlib.md5(packed).hexdigest()}", tiny)


def test_secrets(server: Server, packed: bytes, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A password reaches the server, and nothing else."""
    host = server.url.removeprefix("http://")
    url = f"http://user:s3cret@{host}/models/tiny.zip?token=t0ken"
    with pytest.raises(ConnectionError) as caught:
        read_weights(url)
    server.put("models/tiny.zip", packed)
    read_weights(url)
    assert server.headers("Authorization")[-1] is not None
    texts = [str(caught.value), capsys.readouterr().err, *map(str, models.rglob("*"))]
    texts += [path.read_text("utf-8", "replace") for path in models.rglob("*.json")]
    assert not [text for text in texts if "s3cret" in text or "t0ken" in text]


@pytest.mark.parametrize(
    "source",
    ["ftp://host/elmo.zip", "s3://bucket/elmo.zip", "https://", "http://[::1/x.zip", "https:///elmo.zip",
     "https://host/a\nb.zip", "gs://bucket/options.json"],
)  # fmt: skip
def test_no_address(source: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)EL275.*Allowed: https://"):
        read_weights(source)


def test_mixed_pair(server: Server, options: bytes, tiny: Path) -> None:
    url = server.put("options.json", options)
    with pytest.raises(FileNotFoundError, match=r"EL029.*an address, but the other file of the pair is a path"):
        read_weights([url, str(tiny / "weights.hdf5")])


def test_no_pair(server: Server, options: bytes) -> None:
    url = server.put("options.json", options)
    with pytest.raises(ValueError, match=r"EL025.*two options files"):
        read_weights([url, url])
    assert not server.seen


def test_file_urls(tiny: Path, tmp_path: Path, packed: bytes) -> None:
    (tmp_path / "my tiny.zip").write_bytes(packed)
    for source in (
        tiny.as_uri(), (tiny / "options.json").as_uri(), (tmp_path / "my tiny.zip").as_uri(),
        [(tiny / "options.json").as_uri(), (tiny / "weights.hdf5").as_uri()],
    ):  # fmt: skip
        assert is_local(source)
        assert read_weights(source).options == read_weights(tiny).options


def test_no_model(server: Server, models: Path, options: bytes) -> None:
    """It is refused before it is pinned, and nothing is left of it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../outside.txt", "text")
    with pytest.raises(ValueError, match=r"EL152.*outside the folder"):
        read_weights(server.put("climbs.zip", file.getvalue()))
    with pytest.raises(ValueError, match=r"EL266"):
        read_weights(server.put("other.zip", pack(options, b"text")))
    assert not (models.parent / "outside.txt").exists()
    assert not list(models.glob("url--*.json"))


@pytest.mark.needs("tensorflow")
@pytest.mark.parametrize("has_words", [True, False])
def test_a_checkpoint(server: Server, parity: Path, has_words: bool) -> None:
    """Its three files are downloaded, and the vocabulary if there is one."""
    run = parity / "tf_checkpoint"
    (index,) = run.glob("*.index")
    for path in (run / "options.json", index, *run.glob(f"{index.stem}.data-*")):
        server.put(f"run/{path.name}", path.read_bytes())
    if has_words:
        server.put("run/vocab.txt", (run / "vocab.txt").read_bytes())
    exportable = read_model(f"{server.url}/run/{index.name}")
    assert softmax_facts(exportable.weights) is not None
    assert (exportable.vocabulary is not None) == has_words
    assert set(server.paths()) == {*server.files, "run/vocab.txt"}


def test_a_file_of_4_gib(server: Server, weights: bytes, tmp_path: Path) -> None:
    """The part so far has more bytes than 32 bits can count; only the rest is asked for."""
    target = tmp_path / "weights.bin"
    start = (4 << 30) + 1000
    total = start + len(weights)
    ranges = []

    def rest(handler: object, data: bytes) -> None:
        ranges.append(handler.headers["Range"])  # type: ignore[attr-defined]
        headers = {"Content-Range": f"bytes {start}-{total - 1}/{total}", "Content-Length": str(len(data))}
        handler.head(206, headers)  # type: ignore[attr-defined]
        handler.wfile.write(data)  # type: ignore[attr-defined]

    url = server.put("weights.bin", weights, rest)
    part = Partial(target)
    part.path.write_bytes(b"\x89HDF\r\n\x1a\n")
    os.truncate(part.path, start)
    note = target.with_name(f"{target.name}.part.json")
    note.write_text(json.dumps({"url": url, "version": '"1"'}))
    reports: list[tuple[int, int | None]] = []
    download(File(target.name, (url,)), target, report=lambda *report: reports.append(report))
    assert ranges == [f"bytes={start}-"]
    assert target.stat().st_size == total
    assert reports[-1] == (total, total)
    with target.open("rb") as file:
        file.seek(start)
        assert file.read() == weights


def test_two_processes(server: Server, packed: bytes, models: Path) -> None:
    url = server.put("models/tiny.zip", packed)
    code = f"import spacy_elmo; print(spacy_elmo.load({url!r}).embed([['bank']])[0].elmo.sum())"
    command = [sys.executable, "-W", "error", "-c", code]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "12"
    ]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    assert len({out for out, _ in results}) == 1
    assert server.paths() == ["models/tiny.zip"]


def test_the_command_line(server: Server, options: bytes, weights: bytes) -> None:
    folder = put_pair(server, options, weights)
    for arguments in ([folder], [f"{folder}options.json", f"{folder}weights.hdf5"]):
        command = [sys.executable, "-m", "spacy_elmo", "download", *arguments]
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert sorted(path.name for path in Path(result.stdout.strip()).iterdir()) == [
            "options.json",
            "weights.hdf5",
        ]
