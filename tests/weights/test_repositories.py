"""The names of repositories, before anything is asked for."""

from itertools import combinations

import pytest

from spacy_elmo.weights.repositories import find_repository, find_short_name


def key(source: str) -> str:
    found = find_repository(source)
    assert found is not None
    return found.key


def test_keys_differ() -> None:
    """Revisions and folders may have the hyphens that stand between them in the cache."""
    tails = ["", "@a", "@a/b", "@a--b", "@a-/b", "@a/-b", "@a---b", "/a", "/a/b", "/a--b", "/a-/-b", "@a%2Fb"]
    tails += [
        "@" + "v" * 200,
        "@" + "v" * 199,
        "/" + "/".join(["\u00fc" * 60] * 8),
        "/" + "/".join(["\u00fc" * 60] * 9),
    ]
    keys = [key(f"hf://owner/name{tail}") for tail in tails]
    assert not [pair for pair in combinations(keys, 2) if pair[0] == pair[1]]
    assert max(len(one.encode()) for one in keys) < 200
    assert key("hf://owner/name") == key("https://hf.co/owner/name/") == "hf--owner--name--main"


@pytest.mark.parametrize(
    "url",
    ["https://huggingface.co/datasets/squad", "https://huggingface.co/docs/hub", "https://huggingface.co/spaces/a",
     "https://huggingface.co/a/b/blob/main/options.json", "https://huggingface.co/datasets/a/tree/main",
     "https://huggingface.co/", "https://example.com/a/b"],
)  # fmt: skip
def test_other_pages(url: str) -> None:
    assert find_repository(url) is None


def test_no_checksum() -> None:
    """A repository has none: it is not dropped in silence."""
    with pytest.raises(ValueError, match=r"EL276.*a folder or repository.*hf://owner/name@COMMIT$"):
        find_repository(f"https://huggingface.co/owner/name#md5={'0' * 32}")
    with pytest.raises(ValueError, match=r"EL279.*'hf://owner/name\?\.\.\.'"):
        find_repository(f"hf://owner/name#md5={'0' * 32}")


@pytest.mark.parametrize(
    "source",
    ["host.com/elmo", "www.host/elmo.zip", "localhost/elmo", "models/elmo.tar.gz", "a/options.json", "a/b/c"],
)
def test_no_short_name(source: str) -> None:
    assert find_short_name(source) is None


def test_a_revision_is_shown() -> None:
    with pytest.raises(ValueError, match=r"EL279.*'hf://owner/na!me@v1'"):
        find_repository("hf://owner/na!me@v1")
    found = find_short_name("owner/name.v1")
    assert found is not None
    assert found.name == "hf://owner/name.v1"
