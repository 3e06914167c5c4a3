import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.weights import catalogue
from spacy_elmo.weights.addresses import make_mirror_path
from spacy_elmo.weights.catalogue.entry import Entry
from spacy_elmo.weights.fetch import model_cache, model_download
from spacy_elmo.weights.fetch.model_cache import (
    cached_bytes,
    fetch,
    is_cached,
)
from spacy_elmo.weights.releases import File
from spacy_elmo.weights.source import read_weights
from tests.weights.fetch.server import Server, hold, model_files, stall, status

# What the tests' model is served as.
PAIR = [file.path for file in catalogue.CATALOGUE["medium"].files]


@pytest.fixture
def data(tiny: Path) -> list[bytes]:
    return list(model_files(tiny).values())


@pytest.fixture
def pair(server: Server, data: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A published pair of files, on two servers."""
    for base in ("one", "two"):
        for path, content in zip(PAIR, data):
            server.put(f"{base}/{path}", content)
    files = tuple(File(path, tuple(f"{server.url}/{base}/{path}" for base in ("one", "two"))) for path in PAIR)
    return put(make_entry("a/pair", files), monkeypatch)


@pytest.fixture
def archive(server: Server, data: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A published archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model/options.json", data[0])
        file.writestr("model/weights.hdf5", data[1])
    url = server.put("one/11/7.zip", packed.getvalue())
    return put(make_entry("packed", (File("11/7.zip", (url,)),)), monkeypatch)


def make_entry(name: str, files: tuple[File, ...]) -> Entry:
    return Entry(name=name, language="en", n_layers=2, dim=24, projection_dim=8, files=files)


def put(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> Entry:
    monkeypatch.setitem(catalogue.CATALOGUE, entry.name, entry)
    monkeypatch.setitem(catalogue._BY_NAME, entry.name, entry.name)
    return entry


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def get_weights(folder: Path) -> Path:
    return next(path for path in sorted(folder.rglob("*")) if path.name.endswith("weights.hdf5"))


def test_a_pair(server: Server, pair: Entry, models: Path, data: list[bytes], tiny: Path) -> None:
    assert not is_cached("a/pair")
    assert cached_bytes("a/pair") == 0
    folder = fetch("a/pair")
    assert folder == models / "a--pair"
    assert names(folder) == [file.name for file in pair.files]
    assert read_weights(folder).n_parameters == read_weights(tiny).n_parameters
    assert is_cached("a/pair")
    assert cached_bytes("a/pair") == sum(map(len, data))
    pins = json.loads((models / "a--pair.json").read_text())
    assert pins["published"] == pins["files"]
    md5 = hashlib.md5(data[1]).hexdigest()
    assert pins["files"][pair.files[1].name] == {"sha256": sha256(data[1]), "size": len(data[1]), "md5": md5}
    assert {path.name for path in models.iterdir()} == {"a--pair", "a--pair.json", "a--pair.lock"}
    server.seen.clear()
    assert fetch("a/pair") == folder
    assert server.seen == []


def test_an_archive(server: Server, archive: Entry, models: Path, data: list[bytes]) -> None:
    folder = fetch("packed")
    assert names(folder) == ["model/options.json", "model/weights.hdf5"]
    assert (folder / "model" / "weights.hdf5").read_bytes() == data[1]
    pins = json.loads((models / "packed.json").read_text())
    assert pins["published"]["7.zip"]["sha256"] == sha256(server.files["one/11/7.zip"])
    assert pins["files"]["model/weights.hdf5"]["sha256"] == sha256(data[1])
    assert {path.name for path in models.iterdir()} == {"packed", "packed.json", "packed.lock"}
    assert fetch("packed") == folder
    assert len(server.seen) == 1


def test_a_bad_archive(server: Server, archive: Entry, models: Path) -> None:
    good = server.files["one/11/7.zip"]
    server.files["one/11/7.zip"] = good[: len(good) // 2]
    with pytest.raises(ValueError, match=r"EL151. The archive '7\.zip' of the model 'packed' is truncated"):
        fetch("packed")
    assert not is_cached("packed")
    assert not (models / "packed.json").exists()
    # The next attempt does not use the bad file.
    server.files["one/11/7.zip"] = good
    assert names(fetch("packed")) == ["model/options.json", "model/weights.hdf5"]


@pytest.mark.parametrize("name", ["a/pair", "packed"])
def test_a_changed_file(name: str, server: Server, pair: Entry, archive: Entry, data: list[bytes]) -> None:
    folder = fetch(name)
    path = get_weights(folder)
    path.write_bytes(data[1][:-1] + b"x")
    for _ in range(2):
        with pytest.raises(ValueError, match=f"EL145.*spacy-elmo download {name} --force") as caught:
            fetch(name)
        for word in (str(path), sha256(data[1]), sha256(path.read_bytes())):
            assert word in str(caught.value)
    server.seen.clear()
    assert fetch(name, force=True) == folder
    assert path.read_bytes() == data[1]
    assert len(server.seen) == len(catalogue.CATALOGUE[name].files)
    path.unlink()
    with pytest.raises(ValueError, match=r"EL145.*is missing"):
        fetch(name)


@pytest.mark.parametrize("name", ["a/pair", "packed"])
def test_another_publication(
    name: str, server: Server, pair: Entry, archive: Entry, models: Path, data: list[bytes], monkeypatch: Any
) -> None:
    folder = fetch(name)
    remove(folder)
    assert fetch(name) == folder
    remove(folder)
    old = {path: server.files[path] for path in server.files if "weights" in path or "zip" in path}
    server.files.update({path: content + b"new" for path, content in old.items()})
    pins = models / f"{folder.name}.json"
    for _ in range(2):
        with pytest.raises(ValueError, match="EL146") as caught:
            fetch(name)
        assert str(pins) in str(caught.value)
        assert json.loads(pins.read_text())["published"][file_name(caught)]["sha256"] in str(caught.value)
        assert not folder.exists()
    # With the original content, the file is accepted.
    new = dict(server.files)
    server.files.update(old)
    assert fetch(name) == folder
    remove(folder)
    server.files.update(new)
    pins.unlink()
    assert fetch(name) == folder
    assert fetch(name, force=True) == folder


def file_name(caught: Any) -> str:
    return str(caught.value).split("'")[1]


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    folder.rmdir()


def test_catalogue_checksum_first(
    server: Server, pair: Entry, models: Path, data: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fetch("a/pair")
    known = pair.files[1]._replace(sha256=sha256(data[1] + b"new"), size=len(data[1]) + 3)
    put(replace(pair, files=(pair.files[0], known)), monkeypatch)
    with pytest.raises(ValueError, match="EL145") as caught:
        fetch("a/pair")
    assert sha256(data[1] + b"new") in str(caught.value)
    with pytest.raises(ConnectionError, match="EL141"):
        fetch("a/pair", force=True)
    server.files.update({path: content + b"new" for path, content in server.files.items() if "weights" in path})
    assert fetch("a/pair", force=True) == folder
    assert fetch("a/pair") == folder


def test_nowhere(server: Server, pair: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the page on which people may find out what has become of the model."""
    server.files.clear()
    put(replace(pair, page="https://models.example/page"), monkeypatch)
    with pytest.raises(ConnectionError, match=r"EL141(?s:.)*404(?s:.)*page: https://models.example/page\n"):
        fetch("a/pair")


def test_the_second_server(server: Server, pair: Entry, data: list[bytes]) -> None:
    for path in PAIR:
        del server.files[f"one/{path}"]
    assert get_weights(fetch("a/pair")).read_bytes() == data[1]


@pytest.mark.parametrize("is_offline", ["1", "yes", "TRUE"])
def test_offline(
    server: Server, pair: Entry, models: Path, monkeypatch: pytest.MonkeyPatch, is_offline: str
) -> None:
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", is_offline)
    words = r"EL143.*'a/pair'.*SPACY_ELMO_OFFLINE.*spacy-elmo download a/pair.*SPACY_ELMO_MIRROR"
    with pytest.raises(FileNotFoundError, match=words):
        fetch("a/pair")
    monkeypatch.setenv("SPACY_ELMO_MIRROR", server.url)
    with pytest.raises(FileNotFoundError, match=words):
        fetch("a/pair")
    monkeypatch.delenv("SPACY_ELMO_MIRROR")
    assert server.seen == []
    assert not models.exists()
    for value in ("", "0", "false", "False"):
        monkeypatch.setenv("SPACY_ELMO_OFFLINE", value)
        fetch("a/pair", force=True)
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", is_offline)
    assert fetch("a/pair") == models / "a--pair"
    with pytest.raises(
        FileNotFoundError, match=r"EL149.*SPACY_ELMO_OFFLINE does not allow downloads.*omit --force"
    ):
        fetch("a/pair", force=True)


@pytest.mark.parametrize(
    "mirror", ["ftp://host/x", "file://models/elmo", "file:models", "https:", "http://", "http://[::1/", "models"]
)
def test_bad_mirror(pair: Entry, monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    monkeypatch.delenv("SPACY_ELMO_OFFLINE", raising=False)
    monkeypatch.setenv("SPACY_ELMO_MIRROR", mirror)
    with pytest.raises(ValueError, match=r"EL144 *.*SPACY_ELMO_MIRROR.*file:///models"):
        fetch("a/pair")


@pytest.mark.parametrize("wrong", [b'{"message": "Rate limit exceeded"}', b"plain text", None])
def test_not_a_model(
    pair: Entry, data: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: bytes | None
) -> None:
    """If it were pinned, the right file would always be refused. None: a truncated file."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("SPACY_ELMO_MIRROR", folder.as_uri())
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "new"))
    options, weights = pair.files
    (folder / options.name).write_bytes(data[0])
    (folder / weights.name).write_bytes(data[1][:1000] if wrong is None else wrong)
    with pytest.raises(ConnectionError, match=r"EL141.*(?s:.)*(got something else|truncated)"):
        fetch("a/pair")
    (folder / weights.name).write_bytes(data[1])
    assert get_weights(fetch("a/pair")).read_bytes() == data[1]


def test_hides_passwords(
    pair: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SPACY_ELMO_OFFLINE", raising=False)
    monkeypatch.setattr("spacy_elmo.weights.fetch.download.FIRST_WAIT", 0.0)
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "new"))
    monkeypatch.setenv("SPACY_ELMO_MIRROR", "http://user:s3cret@127.0.0.1:9/")
    with pytest.raises(ConnectionError, match=r"EL141(?s:.)*http://127.0.0.1:9/") as caught:
        fetch("a/pair")
    assert "s3cret" not in str(caught.value) + capsys.readouterr().err


def test_a_mirror(server: Server, pair: Entry, data: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACY_ELMO_MIRROR", f"{server.url}/mirror/")
    with pytest.raises(ConnectionError, match=r"EL141(?s:.)*Only the mirror was asked.*or unset") as caught:
        fetch("a/pair")
    assert "Or set" not in str(caught.value)
    options = pair.files[0]
    # Also under its host and path.
    addresses = dict.fromkeys("mirror/" + make_mirror_path(url) for url in options.urls)
    assert server.paths() == [f"mirror/{options.path}", f"mirror/{options.name}", *addresses]
    assert list(addresses) == [f"mirror/127.0.0.1/{place}/{options.path}" for place in ("one", "two")]
    server.put(f"mirror/{options.path}", data[0])
    server.put(f"mirror/{pair.files[1].name}", data[1])
    assert get_weights(fetch("a/pair")).read_bytes() == data[1]
    assert all(path.startswith("mirror/") for path in server.paths())


def test_a_mirror_on_disk(pair: Entry, data: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my mirror").mkdir()
    for file, content in zip(pair.files, data):
        (tmp_path / "my mirror" / file.name).write_bytes(content)
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", "1")
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "my mirror").as_uri())
    assert get_weights(fetch("a/pair")).read_bytes() == data[1]


@pytest.mark.parametrize("mirror", ["/data/models", "ftp://example.com", "C:\\models"])
def test_no_mirror(pair: Entry, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACY_ELMO_MIRROR", mirror)
    with pytest.raises(ValueError, match=r"EL144 *.*SPACY_ELMO_MIRROR.*file://"):
        fetch("a/pair")


def test_unwritable_cache(pair: Entry, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(OSError, match=r"EL142.*models.*SPACY_ELMO_CACHE"):
        fetch("a/pair")
    assert (tmp_path / "cache").read_text() == "in the way"


def test_read_only_cache(pair: Entry, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch("a/pair")

    def refuse(self: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(model_cache.FileLock, "acquire", refuse)
    assert fetch("a/pair") == folder
    with pytest.raises(OSError, match=r"EL142.*Permission denied"):
        fetch("a/pair", force=True)
    # What a killed process has left cannot be removed, and pins that were not copied cannot be written.
    (models / "a--pair.partial").mkdir()
    assert fetch("a/pair") == folder
    (models / "a--pair.json").unlink()
    assert fetch("a/pair") == folder
    assert not (models / "a--pair.json").exists()
    get_weights(folder).unlink()
    with pytest.raises(ValueError, match="EL148"):
        fetch("a/pair")


def test_copied_folder(server: Server, pair: Entry, models: Path, data: list[bytes]) -> None:
    folder = models / "a--pair"
    folder.mkdir(parents=True)
    (folder / pair.files[0].name).write_bytes(data[0])
    with pytest.raises(ValueError, match=f"EL148.*{pair.files[1].name}"):
        fetch("a/pair")
    (folder / pair.files[1].name).write_bytes(data[1])
    assert fetch("a/pair") == folder
    assert server.seen == []
    get_weights(folder).write_bytes(b"changed")
    with pytest.raises(ValueError, match="EL145"):
        fetch("a/pair")


@pytest.mark.parametrize("is_right", [True, False])
def test_copied_folder_with_md5(
    models: Path, data: list[bytes], monkeypatch: pytest.MonkeyPatch, is_right: bool
) -> None:
    """The older checksum is pinned, so that it is not computed at every use."""
    md5 = hashlib.md5(data[1]).hexdigest()
    files = File(PAIR[0], ()), File(PAIR[1], (), md5=md5 if is_right else "0" * 32)
    entry = put(make_entry("a/pair", files), monkeypatch)
    folder = models / "a--pair"
    folder.mkdir(parents=True)
    for file, content in zip(entry.files, data):
        (folder / file.name).write_bytes(content)
    if is_right:
        assert fetch("a/pair") == folder
        pins = json.loads((models / "a--pair.json").read_text())
        assert [pins["files"][file.name].get("md5") for file in files] == [None, md5]
    else:
        with pytest.raises(ValueError, match=rf"EL145.*its md5 is {md5}, expected 0+"):
            fetch("a/pair")


@pytest.mark.parametrize("text", ["", "[]", '{"published": {}}', '{"published": {}, "files": {"a": 1}}'])
def test_damaged_pins(pair: Entry, models: Path, text: str) -> None:
    folder = fetch("a/pair")
    (models / "a--pair.json").write_text(text)
    with pytest.raises(ValueError, match=r"EL147.*a--pair\.json"):
        fetch("a/pair")
    (models / "a--pair.json").unlink()
    assert fetch("a/pair") == folder


@pytest.mark.parametrize("name", ["a/pair", "packed"])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("step", ["unpack", "write_pins", "os.replace 1", "os.replace 2", "shutil.rmtree"])
def test_killed_at_any_step(
    name: str, step: str, force: bool, server: Server, pair: Entry, archive: Entry, models: Path, data: list[bytes]
) -> None:
    """After a process ends at any step, the next one continues without another download."""
    if force:
        fetch(name)
    with pytest.MonkeyPatch.context() as patch:
        die_at(step, patch, models)
        # Two of the steps are not part of every case.
        with suppress(KeyboardInterrupt):
            fetch(name, force=force)
    server.seen.clear()
    folder = fetch(name)
    assert get_weights(folder).read_bytes() == data[1]
    assert server.seen == []
    stem = folder.name
    assert {path.name for path in models.iterdir()} == {stem, f"{stem}.json", f"{stem}.lock"}


def die_at(step: str, patch: pytest.MonkeyPatch, models: Path) -> None:
    def die(*arguments: Any, **settings: Any) -> None:
        raise KeyboardInterrupt

    if step in ("unpack", "write_pins"):
        patch.setattr(model_download if step == "unpack" else model_cache, step, die)
    elif step == "shutil.rmtree":
        rmtree = model_cache.shutil.rmtree
        patch.setattr(
            model_cache.shutil,
            "rmtree",
            lambda path, **rest: die() if path.suffix == ".partial" else rmtree(path, **rest),
        )
    else:
        replace, calls = os.replace, []

        def maybe(source: Any, target: Any) -> None:
            # Counts renames of the model's folder, not of files.
            if Path(source).is_dir():
                calls.append(source)
                if len(calls) == int(step[-1]):
                    die()
            replace(source, target)

        patch.setattr(model_cache.os, "replace", maybe)


def test_cleans_up(server: Server, archive: Entry, models: Path) -> None:
    fetch("packed")
    for name in ("unpacked", "old", "downloads"):
        (models / "packed.partial" / name).mkdir(parents=True)
        (models / "packed.partial" / name / "file").write_text("of a process that is no more")
    fetch("packed")
    assert not (models / "packed.partial").exists()
    assert len(server.seen) == 1


def test_force_discards_parts(pair: Entry, models: Path, data: list[bytes]) -> None:
    downloads = models / "a--pair.partial" / "downloads"
    downloads.mkdir(parents=True)
    (downloads / pair.files[1].name).write_bytes(b"complete, but another file")
    assert get_weights(fetch("a/pair", force=True)).read_bytes() == data[1]


def test_a_name(models: Path) -> None:
    assert fetch(catalogue.BUNDLED) == catalogue.BUNDLED_FOLDER
    with pytest.raises(ValueError, match=r"EL140.*'smal'"):
        fetch("smal")
    assert not models.exists()


def test_progress_without_terminal(pair: Entry, capsys: pytest.CaptureFixture[str]) -> None:
    fetch("a/pair")
    shown = capsys.readouterr()
    assert shown.err.startswith("Fetching a/pair from 127.0.0.1:")
    assert (shown.out, len(shown.err.splitlines())) == ("", 1)
    fetch("a/pair", force=True, quiet=True)
    fetch("a/pair")
    assert capsys.readouterr() == ("", "")


def test_progress_on_terminal(
    pair: Entry, data: list[bytes], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    fetch("a/pair")
    shown = capsys.readouterr().err
    assert "a/pair 1/2" in shown
    assert "a/pair 2/2" in shown
    assert "65.2/65.2 kB" in shown
    assert "Fetching" not in shown


# Real processes use the real catalogue, and get the tests' files from a mirror.


@pytest.fixture
def mirror(server: Server, data: list[bytes], monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("SPACY_ELMO_MIRROR", server.url)
    for path, content in zip(PAIR, data):
        server.put(path, content)
    return server


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "error", "-m", "spacy_elmo", "download", "medium", "--quiet", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_two_processes(mirror: Server, models: Path, data: list[bytes]) -> None:
    mirror.faults[PAIR[1]] = [hold]
    processes = [start(), start()]
    assert mirror.stalled.wait(30)
    # Time for the other process to request the lock.
    time.sleep(1)
    assert [process.poll() for process in processes] == [None, None]
    mirror.released.set()
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (out.strip(), err, process.returncode) == (str(models / "medium"), "", 0)
    assert sorted(mirror.paths()) == sorted(PAIR)
    assert get_weights(models / "medium").read_bytes() == data[1]


def test_resume_after_kill(mirror: Server, models: Path, data: list[bytes]) -> None:
    mirror.faults[PAIR[1]] = [stall]
    part = models / "medium.partial" / "downloads" / f"{Path(PAIR[1]).name}.part"
    process = start()
    wait_for(lambda: part.is_file() and part.stat().st_size > 0)
    process.kill()
    process.communicate(timeout=60)
    assert not is_cached("medium")
    mirror.seen.clear()
    arrived = part.stat().st_size
    assert get_weights(fetch("medium")).read_bytes() == data[1]
    # The options were complete, and are not requested again.
    assert mirror.paths() == [PAIR[1]]
    assert mirror.headers("Range") == [f"bytes={arrived}-"]
    assert arrived > 10_000


def test_server_errors(mirror: Server) -> None:
    mirror.faults[PAIR[0]] = [status(403)]
    process = start()
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("", 1)
    assert "EL141" in err
    assert "HTTP status 403" in err
    assert "HTTP status 404" in err


@pytest.mark.parametrize("wrong", [b'{"message": "Rate limit exceeded"}', b'{"lstm": {}, "char_cnn": {}}', b"{}"])
@pytest.mark.parametrize("force", [False, True])
def test_error_page(
    server: Server, pair: Entry, models: Path, data: list[bytes], wrong: bytes, force: bool
) -> None:
    """It has status 200 and is JSON, as options are. If it were pinned, the right file would always be refused."""
    options = [f"{base}/{PAIR[0]}" for base in ("one", "two")]
    for path in options:
        server.files[path] = wrong
    with pytest.raises(ConnectionError, match=r"EL141(?s:.)*got something else instead of the options: \[EL"):
        fetch("a/pair")
    assert not (models / "a--pair.json").exists()
    for path in options:
        server.files[path] = data[0]
    assert get_weights(fetch("a/pair", force=force)).read_bytes() == data[1]


def test_mixed_models(server: Server, pair: Entry, models: Path, data: list[bytes]) -> None:
    other = data[0].replace(b'"n_layers": 2', b'"n_layers": 3')
    assert other != data[0]
    server.files.update({f"{base}/{PAIR[0]}": other for base in ("one", "two")})
    with pytest.raises(ValueError, match=r"EL266.*'a/pair' are not the model \(\[EL019\]"):
        fetch("a/pair")
    assert not (models / "a--pair.json").exists()
    server.files.update({f"{base}/{PAIR[0]}": data[0] for base in ("one", "two")})
    assert get_weights(fetch("a/pair")).read_bytes() == data[1]


def test_archive_of_other_files(server: Server, archive: Entry, models: Path) -> None:
    good = server.files["one/11/7.zip"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("README.md", "The model has moved.")
    server.files["one/11/7.zip"] = packed.getvalue()
    with pytest.raises(ValueError, match=r"EL266.*'packed' are not the model \(\[EL013\]") as caught:
        fetch("packed")
    assert str(models) not in str(caught.value)
    assert not (models / "packed.json").exists()
    server.files["one/11/7.zip"] = good
    assert names(fetch("packed")) == ["model/options.json", "model/weights.hdf5"]


def test_archive_of_damaged_files(server: Server, archive: Entry, data: list[bytes]) -> None:
    """The files have the names of a model's, and the zip is whole."""
    good = server.files["one/11/7.zip"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("model/options.json", data[0])
        file.writestr("model/weights.hdf5", data[1][: len(data[1]) // 2])
    server.files["one/11/7.zip"] = packed.getvalue()
    with pytest.raises(ValueError, match=r"EL266.*'packed' are not the model \("):
        fetch("packed")
    server.files["one/11/7.zip"] = good
    assert names(fetch("packed", force=True)) == ["model/options.json", "model/weights.hdf5"]


def test_http_without_checksum(server: Server, data: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody on the network could send another archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("options.json", data[0])
        file.writestr("weights.hdf5", data[1])
    server.put("one/7.zip", packed.getvalue())
    # A name for this computer that does not look like it: a proxy takes every name.
    monkeypatch.setenv("http_proxy", server.url)
    open_url = "http://models.example/one/7.zip"
    entry = put(make_entry("open", (File("one/7.zip", ("https://127.0.0.1:9/x", open_url)),)), monkeypatch)
    with pytest.raises(ConnectionError, match=rf"EL141(?s:.)*{open_url}: not tried.*SPACY_ELMO_ALLOW_HTTP=1"):
        fetch("open")
    assert server.seen == []
    known = entry.files[0]._replace(sha256=sha256(packed.getvalue()))
    put(replace(entry, files=(known,)), monkeypatch)
    assert get_weights(fetch("open")).read_bytes() == data[1]
    put(entry, monkeypatch)
    # A pin is a checksum.
    assert get_weights(fetch("open", force=True)).read_bytes() == data[1]


def test_http_allowed(server: Server, data: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    for path, content in zip(PAIR, data):
        server.put(f"one/{path}", content)
    files = tuple(File(path, (f"http://models.example/one/{path}",)) for path in PAIR)
    put(make_entry("open", files), monkeypatch)
    with pytest.raises(ConnectionError, match="EL141"):
        fetch("open")
    monkeypatch.setenv("SPACY_ELMO_ALLOW_HTTP", "1")
    assert get_weights(fetch("open")).read_bytes() == data[1]


@pytest.mark.parametrize(
    "mirror",
    [
        "ftp://user:s3cret@host/x?token=s3cret",
        "user:s3cret@host",
        "http://user:s3/s3cret@/",
        "file://u:s3cret@h/x",
    ],
)
def test_hides_mirror_password(pair: Entry, monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    monkeypatch.setenv("SPACY_ELMO_MIRROR", mirror)
    with pytest.raises((ValueError, ConnectionError), match=r"EL14[14]") as caught:
        fetch("a/pair")
    assert "s3cret" not in str(caught.value)


def test_lock_warning(pair: Entry, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped process holds its lock for ever."""
    monkeypatch.setattr(model_cache, "LOCK_PATIENCE", 0.1)
    models.mkdir(parents=True)
    held = threading.Event()

    def hold_lock() -> None:
        with model_cache.FileLock(models / "a--pair.lock"):
            held.set()
            time.sleep(0.5)

    other = threading.Thread(target=hold_lock)
    other.start()
    held.wait()
    with pytest.warns(UserWarning, match=r"WL051.*'a/pair' in the cache .*a--pair.lock'") as caught:
        folder = fetch("a/pair")
    other.join()
    assert names(folder)
    if Path("/proc/locks").exists():
        assert f"process {os.getpid()}" in str(caught[0].message)
