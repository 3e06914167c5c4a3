"""Models from Hugging Face, from a server of the tests with its interface."""

import hashlib
import io
import json
import os
import shutil
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.weights.fetch.model_cache import fetch
from spacy_elmo.weights.repositories import find_repository
from spacy_elmo.weights.source import find_files, is_local, read_weights
from tests.platforms import links
from tests.weights.fetch.server import Handler, Server, status

pytestmark = pytest.mark.needs("huggingface_hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def server(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return server


@pytest.fixture(autouse=True)
def hub_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def json_answer(handler: Handler, data: bytes) -> None:
    handler.head(200, {"Content-Type": "application/json", "Content-Length": str(len(data))})
    handler.wfile.write(data)


def publish(
    server: Server, files: "dict[str, bytes]", repository: str = "owner/elmo", revision: str = "main", **more: Any
) -> None:
    """Serve a repository: its list, and its files at the commit."""
    siblings = []
    for name, data in files.items():
        server.put(f"{repository}/resolve/{COMMIT}/{name}", data)
        lfs = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        is_large = "hdf5" in name
        siblings.append({"rfilename": name, "size": len(data), **({"lfs": lfs} if is_large else {}), **more})
    model = {
        "id": repository,
        "modelId": repository,
        "sha": COMMIT,
        "siblings": siblings,
        "tags": [],
        "private": False,
    }
    path = f"api/models/{repository}/revision/{revision}"
    server.put(path, json.dumps(model).encode(), *[json_answer] * 99)


@pytest.fixture
def files(tiny: Path) -> "dict[str, bytes]":
    return {name: (tiny / name).read_bytes() for name in ("options.json", "weights.hdf5")}


def check(source: str, tiny: Path) -> Path:
    found = read_weights(source)
    assert found.options == read_weights(tiny).options
    return Path(found.source)


def test_every_name(server: Server, files: "dict[str, bytes]", tiny: Path, models: Path) -> None:
    publish(
        server, {**files, "README.md": b"text", ".gitattributes": b"", "tf_model.h5.txt": b"", "big.bin": b"x"}
    )
    for source in ("hf://owner/elmo", "owner/elmo", "https://huggingface.co/owner/elmo", "HF://owner/elmo/"):
        check(source, tiny)
        assert is_local(source)
    # Once, and only the files of the model.
    assert [path for path in server.paths() if "resolve" in path] == [
        f"owner/elmo/resolve/{COMMIT}/{name}" for name in ("options.json", "weights.hdf5")
    ]
    assert sorted(path.name for path in models.iterdir()) == [
        f"hf--owner--elmo--main{e}" for e in ("", ".json", ".lock")
    ]


def test_a_revision(server: Server, files: "dict[str, bytes]", tiny: Path, models: Path) -> None:
    publish(server, files, revision="v1.0")
    publish(server, files, revision="refs%2Fpr%2F1")
    check("hf://owner/elmo@v1.0", tiny)
    check("https://huggingface.co/owner/elmo/tree/v1.0", tiny)
    check("hf://owner/elmo@refs%2Fpr%2F1", tiny)
    assert {path.name for path in models.iterdir() if path.is_dir()} == {
        "hf--owner--elmo--v1.0", "hf--owner--elmo--refs%2Fpr%2F1",
    }  # fmt: skip


def test_folders(server: Server, files: "dict[str, bytes]", tiny: Path) -> None:
    publish(server, {f"one/{name}": data for name, data in files.items()}, "owner/one")
    check("hf://owner/one", tiny)
    two = {f"{folder}/{name}": data for folder in ("a", "b c") for name, data in files.items()}
    publish(server, two, "owner/two")
    with pytest.raises(ValueError, match=r"EL277.*more than one model \(hf://owner/two/a, hf://owner/two/b c"):
        read_weights("hf://owner/two")
    check("hf://owner/two/a", tiny)
    with pytest.raises(FileNotFoundError, match=r"EL282.*holds no ELMo"):
        read_weights("hf://owner/two/c")


def test_an_archive(server: Server, files: "dict[str, bytes]", tiny: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    publish(server, {"elmo.zip": packed.getvalue(), "config.json": b"{}"}, "owner/packed")
    check("hf://owner/packed", tiny)
    # Beside the files themselves, it is a copy.
    publish(server, {"elmo.zip": packed.getvalue(), **files}, "owner/both")
    check("hf://owner/both", tiny)
    assert f"owner/both/resolve/{COMMIT}/elmo.zip" not in server.paths()


@pytest.mark.parametrize(
    "more",
    [[], ["tf_model.h5"], ["tf_model-00001-of-00002.h5"], ["7.index", "7.data-00000-of-00001"]],
)
def test_a_transformer(server: Server, more: "list[str]") -> None:
    """Nothing is downloaded of what cannot be an ELMo."""
    names = ["config.json", "model.safetensors", *more, "vocab.txt"]
    publish(server, dict.fromkeys(names, b"x"))
    with pytest.raises(FileNotFoundError, match=r"EL282.*'hf://owner/elmo' holds no ELMo.*config.json, model."):
        read_weights("hf://owner/elmo")
    assert not [path for path in server.paths() if "resolve" in path]


@pytest.mark.parametrize(
    "listed",
    [b"{}", b"[]", b"null", b'{"id": "a/b", "siblings": 5}', b'{"id": "a/b", "siblings": [{"rfilename": 5}]}',
     b'{"id": "a/b", "siblings": [{"rfilename": "options.json", "size": "big"}]}',
     b'{"id": "a/b", "siblings": [{"rfilename": "options.json", "size": -5}]}', b"<html>"],
)  # fmt: skip
def test_no_list(server: Server, listed: bytes) -> None:
    server.put("api/models/owner/elmo/revision/main", listed, *[json_answer] * 9)
    with pytest.raises(ConnectionError, match=r"EL283.*(got something else instead of a list|Expecting value)"):
        read_weights("hf://owner/elmo")
    assert not [path for path in server.paths() if "resolve" in path]


def test_hyphens_in_folders(server: Server, files: "dict[str, bytes]", tiny: Path, models: Path) -> None:
    """They do not make one model of two."""
    publish(server, {f"a--b/{name}": data for name, data in files.items()})
    check("hf://owner/elmo/a--b", tiny)
    with pytest.raises(FileNotFoundError, match="EL282"):
        read_weights("hf://owner/elmo/a/b")


def test_a_token(server: Server, files: "dict[str, bytes]", models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(server, files)
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    read_weights("hf://owner/elmo")
    # The library may ask for more than the repository.
    own = [seen.headers for seen in server.seen if "owner/elmo" in seen.target]
    assert len(own) == 3
    assert {headers.get("Authorization", headers.get("authorization")) for headers in own} == {"Bearer hf_s3cret"}
    assert "s3cret" not in (models / "hf--owner--elmo--main.json").read_text()


def test_not_there(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(code: str) -> Any:
        return lambda handler, data: handler.head(404, {"X-Error-Code": code, "Content-Length": "0"})

    for code, word in (("RepoNotFound", "repository"), ("RevisionNotFound", "revision 'main'")):
        server.put("api/models/owner/none/revision/main", b"", *[missing(code)] * 9)
        with pytest.raises(FileNotFoundError, match=rf"EL281.*no such {word}.*HF_TOKEN"):
            read_weights("hf://owner/none")
    # Other servers with this interface give the status alone.
    server.put("api/models/owner/none/revision/main", b"", *[status(404)] * 9)
    with pytest.raises(FileNotFoundError, match=r"EL281.*no such repository"):
        read_weights("hf://owner/none")
    # Two words may be a misspelt path or name as well.
    with pytest.raises(FileNotFoundError, match=r"EL010.*neither an existing file(?s:.)*Hugging Face: \[EL281\]"):
        read_weights("owner/none")
    server.put("api/models/owner/none/revision/main", b"", *[status(500)] * 99)
    with pytest.raises(ConnectionError, match=r"EL283.*HF_ENDPOINT|EL283(?s:.)*HF_ENDPOINT"):
        read_weights("hf://owner/none")


def test_a_wrong_file(server: Server, files: "dict[str, bytes]") -> None:
    publish(server, files)
    path = f"owner/elmo/resolve/{COMMIT}/weights.hdf5"
    server.files[path] = files["weights.hdf5"][:-1] + b"x"
    with pytest.raises(ConnectionError, match=r"EL141.*weights.hdf5(?s:.)*its sha256 is"):
        read_weights("hf://owner/elmo")


@pytest.mark.parametrize(
    "name",
    ["../../options.json", "..", "a/../..", "o\u202eptions.json", "a\\..\\options.json", "a" * 250 + ".h5"],
)
def test_names_that_climb_out(
    server: Server, files: "dict[str, bytes]", models: Path, tmp_path: Path, name: str
) -> None:
    publish(server, {**files, name: b"{}"}, "owner/climber")
    with suppress(ValueError):
        read_weights("hf://owner/climber")
    written = {path for path in tmp_path.rglob("*") if path.is_file() and "hf" not in path.parts}
    key = "hf--owner--climber--main"
    allowed = {models / f"{key}{end}" for end in ("/options.json", "/weights.hdf5", ".json", ".lock")}
    assert written <= allowed


def test_a_name_that_cannot_be_used(server: Server, files: "dict[str, bytes]") -> None:
    publish(server, {**files, "a\u202eoptions.json": b"{}"})
    words = r"EL288. The repository 'hf://owner/elmo' has a file .*: 'a\\u202eoptions\.json'\. Download the model"
    with pytest.raises(ValueError, match=words):
        read_weights("hf://owner/elmo")


@pytest.mark.parametrize(
    "source",
    ["hf://../etc", "hf://owner/..", "hf://owner", "hf://owner/na me", "hf://owner/name@../x", "hf://owner/name@",
     "hf://owner/name@a//b", "hf://owner/name/../..", "hf://owner/name/%2e%2e", "hf:///etc/passwd", "hf://a/b@..%2F..",
     "hf://owner/a--b", "hf://owner/name@x\ny", "hf://"],
)  # fmt: skip
def test_no_repository(server: Server, source: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)EL279.*hf://owner/name@revision"):
        read_weights(source)
    assert not server.seen


def test_too_large(server: Server, files: "dict[str, bytes]") -> None:
    publish(server, files, size=9 << 30)
    with pytest.raises(ValueError, match=r"EL284.*allowed"):
        read_weights("hf://owner/elmo")
    assert not [path for path in server.paths() if "resolve" in path]


@pytest.mark.parametrize("variable", ["SPACY_ELMO_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(
    server: Server,
    files: "dict[str, bytes]",
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(FileNotFoundError, match=rf"EL143.*hf://owner/elmo.* and {variable} does not allow"):
        read_weights("hf://owner/elmo")
    assert not server.seen
    monkeypatch.delenv(variable)
    publish(server, files)
    read_weights("hf://owner/elmo")
    monkeypatch.setenv(variable, "1")
    repository = find_repository("hf://owner/elmo")
    assert repository is not None
    with pytest.raises(FileNotFoundError, match=rf"EL149.*hf://owner/elmo' again, but {variable} does not allow"):
        fetch(repository, force=True)


@links
def test_the_other_cache(
    files: "dict[str, bytes]", tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network, what other programs have downloaded serves, with its links."""
    import huggingface_hub.constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    root = cache / "models--owner--elmo"
    snapshot = root / "snapshots" / COMMIT
    for folder in (snapshot, root / "blobs", root / "refs"):
        folder.mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    for number, (name, data) in enumerate(files.items()):
        (root / "blobs" / str(number)).write_bytes(data)
        os.symlink(root / "blobs" / str(number), snapshot / name)
    monkeypatch.setenv("SPACY_ELMO_OFFLINE", "1")
    assert check("hf://owner/elmo", tiny) == snapshot / "weights.hdf5"


def test_a_mirror(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny, tmp_path / "mirror" / "owner" / "elmo")
    monkeypatch.setenv("SPACY_ELMO_MIRROR", (tmp_path / "mirror").as_uri())
    check("hf://owner/elmo", tiny)


def test_without_the_library(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"EL278.*pip install huggingface_hub"):
        read_weights("hf://owner/elmo")
    with pytest.raises(FileNotFoundError, match=r"EL010(?s:.)*EL278"):
        read_weights("owner/elmo")


@pytest.mark.parametrize("source", ["manylangs/xx", "tests/none", "a/b/c", "/a/b", "./a/b", "a/b.hdf5/c"])
def test_paths_are_no_repositories(server: Server, source: str) -> None:
    with pytest.raises(FileNotFoundError, match="EL010") as caught:
        find_files(source)
    assert "Hugging" not in str(caught.value)
    assert not server.seen
