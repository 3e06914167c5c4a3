"""The system's Chromium, driven by playwright; no browser is ever downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing leaves the machine, whatever a page asks for: no name but those of this machine has an address.
FLAGS = [
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_browser() -> str | None:
    """Find Chromium or Chrome: the one that SPACY_ELMO_BROWSER names, or one on the PATH."""
    names = [os.environ["SPACY_ELMO_BROWSER"]] if os.environ.get("SPACY_ELMO_BROWSER") else NAMES
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def launch(path: str) -> Iterator["Browser"]:
    """Start a browser.

    While it runs, an event loop of playwright's runs in this thread, and `asyncio.run` does not.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
