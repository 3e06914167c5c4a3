"""The browser itself: it is the system's, and leaves nothing behind in the process of the tests."""

import asyncio
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.browser.tabs import Tabs

pytestmark = pytest.mark.needs("playwright")


def test_nothing_is_left_behind(browser_path: str, tmp_path: Path) -> None:
    """A loop that still runs, or is not closed, would break the tests that follow in this process."""
    path = tmp_path / "page.html"
    path.write_text("<!DOCTYPE html><title>Test</title><p>Text", "utf-8")

    async def answer() -> int:
        return 42

    with chromium.launch(browser_path) as browser:
        tabs = Tabs(browser=browser)
        assert tabs.open(path.as_uri()).page.title() == "Test"
        tabs.close()
    assert asyncio.run(answer()) == 42


def test_the_browser_is_one_that_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACY_ELMO_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.find_browser() is None
    for name in ("google-chrome", "chromium"):
        (tmp_path / name).touch(mode=0o755)
    assert chromium.find_browser() == str(tmp_path / "chromium")
    monkeypatch.setenv("SPACY_ELMO_BROWSER", str(tmp_path / "google-chrome"))
    assert chromium.find_browser() == str(tmp_path / "google-chrome")
    # Who names one does not mean another.
    monkeypatch.setenv("SPACY_ELMO_BROWSER", str(tmp_path / "firefox"))
    assert chromium.find_browser() is None
