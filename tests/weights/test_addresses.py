"""Which files belong to an address, before anything is asked for."""

import pytest

from spacy_elmo.weights.addresses import make_address, make_mirror_path


def urls(source: str) -> "dict[str, tuple[str, ...]]":
    """The addresses of a model's files by the names that they get here."""
    return {file.name: file.urls for files in make_address([source]).plans for file in files}


@pytest.mark.parametrize("stem", ["my%20model_", "50%25_", "a%2Fb_", "what%3F_", "%23_", "m\u00f6del_"])
def test_encoded_names(stem: str) -> None:
    """The file beside another one has the same characters in its address."""
    assert urls(f"https://h/m/{stem}options.json")["weights.hdf5"][0] == f"https://h/m/{stem}weights.hdf5"
    assert urls(f"https://h/m/{stem}weights.hdf5")["options.json"][0] == f"https://h/m/{stem}options.json"
    (data,) = (value for name, value in urls(f"https://h/m/{stem}7.index").items() if ".data-" in name)
    assert data == (f"https://h/m/{stem}7.data-00000-of-00001",)


def test_endings_in_capitals() -> None:
    assert urls("https://h/x%2Ejson")["weights.hdf5"] == ("https://h/weights.hdf5",)
    assert "https://h/my_weights.hdf5" in urls("https://h/my_options.JSON")["weights.hdf5"]
    assert "https://h/my_options.json" in urls("https://h/my_weights.HDF5")["options.json"]
    assert urls("https://h/7.INDEX")["7.index"] == ("https://h/7.INDEX",)


@pytest.mark.parametrize("ending", [".hdf5", ".h5", ".hdf", ".safetensors", ".th", ".pt"])
def test_options_beside_weights(ending: str) -> None:
    assert "https://h/my_options.json" in urls(f"https://h/my_weights{ending}")["options.json"]


@pytest.mark.parametrize("name", ["%00", "..%5C..%5Cx", "C%3Ax", "a" * 250, "%E2%80%AE", ""])
def test_checkpoints_of_odd_names(name: str) -> None:
    names = {"options.json", "model.ckpt.index", "model.ckpt.data-00000-of-00001", "vocab.txt"}
    assert set(urls(f"https://h/run/{name}.index")) == names


@pytest.mark.parametrize(
    "url",
    ["http://h:99999/x.zip", "https://h:99999/x.zip", "http://h:abc/x.zip", "https://h:-1/x.zip",
     "https://a.example\\@localhost/x.zip", "http://localhost\\x.zip"],
)  # fmt: skip
def test_no_port_or_host(url: str) -> None:
    with pytest.raises(ValueError, match="EL275"):
        make_address([url])


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("a.hdf5", "b.h5"), "EL025.*two weights files"),
        (("a.hdf5", "b.index"), "EL025.*two weights files"),
        (("a.json", "b.json"), "EL025.*two options files"),
        (("a.json", "b.zip"), "EL286.*b.zip' is an archive"),
        (("b.tar.gz", "a.json"), "EL286.*b.tar.gz' is an archive"),
        (("a.json", "folder/"), "EL286.*folder/' is a folder"),
    ],
)
def test_no_pair(pair: "tuple[str, str]", message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_address([f"https://user:s3cret@h/{name}" for name in pair])


@pytest.mark.parametrize("path", ["//models/a", "//other.example/elmo", "//a.zip", "//[x/y"])
def test_two_slashes(path: str) -> None:
    """They do not make a host of a folder."""
    release = make_address([f"https://h{path}"])
    every = [url for files in release.plans for file in files for url in file.urls]
    assert {url.split("/")[2] for url in [*every, *filter(None, [release.folder_url])]} == {"h"}


@pytest.mark.parametrize(
    "url",
    [
        "https://u/s3cret@h/",
        "https://user:12/s3cret@h",
        "https://h/user:s3cret@h.zip",
        "https://user:12/s3cret@[h.zip",
    ],
)
def test_passwords_with_slashes(url: str) -> None:
    """No library takes them for passwords; here they are not shown."""
    release = make_address([url])
    assert "s3cret" not in release.key + release.name


@pytest.mark.parametrize(
    "fragment", ["weights=", "=", "ss=s3cret@h/x.zip", "s3cret=1", "md5=s3cret@h/x.zip", "MD5=12"]
)
def test_no_checksum(fragment: str) -> None:
    with pytest.raises(ValueError, match="EL274") as caught:
        make_address([f"https://user:pa#{fragment}"])
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://user:s3cret@h:8080/a/my%20options.json?x=1", "h/a/my options.json"),
        ("https://h/../../a/./b/x.zip", "h/a/b/x.zip"),
        ("https://h/%2e%2e/x.zip", "h/x.zip"),
    ],
)
def test_paths_on_a_mirror(url: str, path: str) -> None:
    assert make_mirror_path(url) == path
