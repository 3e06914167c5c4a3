"""URLs are shown without credentials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.weights.urls import hide_secrets, is_private, safe_url, suggest_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/elmo/options.json", "https://example.com/elmo/options.json"),
        ("http://user:pass@example.com:80/a", "http://example.com:80/a"),
        ("http://user@example.com/a", "http://example.com/a"),
        ("http://user:pa@ss@example.com/a", "http://example.com/a"),
        ("http://user:pa/ss@example.com/a", "http://example.com/a"),
        ("http://user:pa/s@s@example.com/a", "http://example.com/a"),
        ("http://user:pa?ss@example.com/a", "http://example.com/a"),
        ("http://user:pa#ss@example.com/a?x=1", "http://example.com/a?..."),
        ("https://example.com/a?token=abc&v=1#part", "https://example.com/a?..."),
        ("http://user:pass?@example.com/a", "http://example.com/a"),
        ("user:pass@example.com/a", "example.com/a"),
        ("https:/user:pass@example.com/a", "https:/example.com/a"),
        ("file:///models/elmo", "file:///models/elmo"),
        ("/models/elmo", "/models/elmo"),
        ("http://example.com/a;jsessionid=abc?x", "http://example.com/a?..."),
        ("http://example.com/a%3Ftoken=abc", "http://example.com/a?..."),
        ("http://user%3Apass%40example.com/a", "http://example.com/a"),
        ("//user:pass@example.com/a", "example.com/a"),
        ("elmo?token=abc", "elmo?..."),
        # Revisions
        ("hf://owner/name@v1/a", "hf://owner/name@v1/a"),
        ("HF://owner/name@v1?token=abc", "HF://owner/name@v1?..."),
        ("hf://user:pass@owner/name", "hf://owner/name"),
        # Paths
        ("models@v2/elmo#1;b?.hdf5", "models@v2/elmo#1;b?.hdf5"),
        ("./a@b", "./a@b"),
        ("", ""),
    ],
)
def test_what_is_shown(url: str, shown: str) -> None:
    assert safe_url(url) == shown


SECRET = st.text("@/:?#&=% []\\é", max_size=4)


@given(before=SECRET, after=SECRET, user=st.sampled_from(["", "user", "user:", ":"]))
def test_any_password(before: str, after: str, user: str) -> None:
    assert "s3cret" not in safe_url(f"https://{user}{before}s3cret{after}@example.com/elmo/")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Failed to parse: http://user:s3cret@h/x?token=t0kens", "Failed to parse: http://h/x?..."),
        ("No way to http://me:s3cret@proxy:3128/ for it", "No way to http://proxy:3128/ for it"),
        ("retries exceeded with url: /x?token=t0kens (s3cret)", "retries exceeded with url: /x?... (...)"),
        ("got s3cret/word", "got ..."),
        ("no route to host", "no route to host"),
    ],
)  # fmt: skip
def test_messages_of_libraries(text: str, shown: str) -> None:
    urls: list[str] = ["http://user:s3cret@h/x?token=t0kens", "http://user:s3cret/word@h/x?token=t0kens"]
    assert shown in [hide_secrets(text, url) for url in urls]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/a", True),
        ("http://example.com/a", False),
        ("http://localhost:80/a", True),
        ("http://127.0.0.1/a", True),
        ("http://[::1]/a", True),
        ("http://127.0.0.1.example.com/a", False),
        ("http://[x/", False),
        ("file:///a", True),
        ("ftp://example.com", False),
    ],
)
def test_is_private(url: str, expected: bool) -> None:
    assert is_private(url) is expected


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https:/host/x.zip", "https://host/x.zip"),
        ("HTTPS:host/x.zip", "https://host/x.zip"),
        (" https://host/x.zip\n", "https://host/x.zip"),
        ("hf:owner/name", "hf://owner/name"),
        ("hf:///owner/name", "hf://owner/name"),
        ("host.com/elmo.zip", "https://host.com/elmo.zip"),
        ("//host.com/elmo.zip", "https://host.com/elmo.zip"),
        ("www.host.co.uk:8080/a/b", "https://www.host.co.uk:8080/a/b"),
        ("user:pass@host.com/a", "https://user:pass@host.com/a"),
        ("127.0.0.1:80/x.zip", "https://127.0.0.1:80/x.zip"),
        ("localhost/x.zip", "https://localhost/x.zip"),
        ("https://host/x.zip", None),
        ("hf://owner/name", None),
        ("owner/name", None),
        ("elmo.zip", None),
        ("elmo.v2/weights.hdf5", None),
        ("./a.com/b", None),
        ("../b.com", None),
        ("/models/a.com/b", None),
        (r"C:\models\elmo", None),
        ("C:/models/elmo", None),
        ("", None),
        ("https:", None),
    ],
)
def test_what_was_meant(source: str, url: "str | None") -> None:
    assert suggest_url(source) == url
