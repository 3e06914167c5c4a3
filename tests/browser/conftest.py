"""Fixtures for tests in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.visual import save
from tests.browser.chromium import NAMES, find_browser, launch
from tests.browser.live_page import BANKS, LivePage, OpenPage
from tests.browser.served import Served, serve
from tests.browser.tabs import PATIENCE, OpenTab, Tabs
from tests.node_modules import skip_or_fail

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The system's browser; skips the test where there is none, and fails it in CI."""
    path = find_browser()
    return path or skip_or_fail(f"none of {', '.join(NAMES)} is on the PATH: run scripts/install_browser.sh")


# One for each module: while it is open, a loop runs in the thread, which no other test must meet.
@pytest.fixture(scope="module")
def browser(browser_path: str) -> Iterator["Browser"]:
    with launch(browser_path) as browser:
        yield browser


@pytest.fixture
def open_tab(browser: "Browser") -> Iterator[OpenTab]:
    """Opens a page; see `Tabs.open`. After the test it fails if a page had an error, or asked another server."""
    tabs = Tabs(browser=browser)
    yield tabs.open
    tabs.close()


@pytest.fixture
def expect(browser: "Browser") -> Any:
    """playwright's assertions, which wait until they hold."""
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE)
    return expect


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """The live page with the bundled model."""
    with serve("--source", "en_sm") as served:
        yield served


@pytest.fixture
def open_page(open_tab: OpenTab, served: Served, expect: Any) -> OpenPage:
    """Opens the live page, `open_page(fragment, width=390)`, and waits for its first figure."""

    def open_it(fragment: str = "", **options: Any) -> LivePage:
        page = LivePage(open_tab(served.url + fragment, **options), expect=expect)
        expect(page.page.locator("#figure .elmo-figure")).to_be_visible()
        return page

    return open_it


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("elmo_embedder", config={"source": "en_sm"})
    nlp.initialize()
    return nlp


@pytest.fixture(scope="module")
def banks(nlp: Language) -> list[Doc]:
    return list(nlp.pipe(BANKS))


@pytest.fixture
def open_figure(open_tab: OpenTab, tmp_path: Path, expect: Any) -> OpenPage:
    """Saves a picture and opens the file: `open_figure(docs, style, options={}, width=390)`."""

    def open_it(docs: object, style: str, options: dict[str, Any] | None = None, **settings: Any) -> LivePage:
        path = tmp_path / f"{style}.html"
        save(docs, path, style, options=options)
        return LivePage(open_tab(path.as_uri(), **settings), expect=expect, figure=".elmo-figure")

    return open_it
