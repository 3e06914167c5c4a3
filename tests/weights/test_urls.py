"""URLs are shown without credentials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.weights.urls import hide_secrets, is_private, safe_url


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
