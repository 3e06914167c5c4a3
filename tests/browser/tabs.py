"""A page in the browser, and what went wrong in it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

# Milliseconds until a test gives up on what it waits for. The machine may be busy with other tests.
PATIENCE = 20_000


class Tab(NamedTuple):
    """An open page with its records.

    page (Page): playwright's.
    errors (list[str]): What went to the console as an error, and exceptions that nothing caught. A test that
        expects some takes them out.
    foreign (list[str]): The addresses that were asked for, apart from those of the page's own server or file.
    """

    page: "Page"
    errors: list[str]
    foreign: list[str]

    def check(self) -> None:
        """Fail if there was an error, or a request to elsewhere."""
        assert not self.foreign, f"asked elsewhere: {self.foreign}"
        assert not self.errors, f"errors in the page: {self.errors}"


# open_tab("http://127.0.0.1:8000/", width=390) -> Tab
OpenTab = Callable[..., Tab]


class Tabs:
    """Opens pages, and closes and checks them all at the end.

    browser (Browser): Where.
    """

    def __init__(self, *, browser: "Browser") -> None:
        self.browser = browser
        self.opened: list[tuple[BrowserContext, Tab]] = []

    def open(
        self, url: str, *, width: int = 1280, height: int = 900, javascript: bool = True, dark: bool = False
    ) -> Tab:
        """Open a page as somebody does who has never been there.

        url (str): The address, http: or file:.
        width (int): Of the window, in CSS pixels.
        height (int): Of the window, in CSS pixels.
        javascript (bool): Whether scripts run.
        dark (bool): Whether dark colours are asked for.
        RETURNS (Tab): The page, loaded.
        """
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            java_script_enabled=javascript,
            color_scheme="dark" if dark else "light",
            locale="en-GB",
        )
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        tab = Tab(page=page, errors=[], foreign=[])
        self.opened.append((context, tab))
        page.on("console", lambda message: tab.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: tab.errors.append(str(error)))
        page.on("request", lambda request: None if is_own(request.url, url) else tab.foreign.append(request.url))
        page.goto(url)
        return tab

    def close(self) -> None:
        """Close all pages, then fail if one had an error or asked another server."""
        for context, _ in self.opened:
            context.close()
        for _, tab in self.opened:
            tab.check()


def is_own(url: str, page_url: str) -> bool:
    """Tell whether a page may ask for an address: what needs no network, its own server, or its own file.

    url (str): What is asked for.
    page_url (str): The address of the page.
    RETURNS (bool): Whether it may.
    """
    asked, own = urlsplit(url), urlsplit(page_url)
    if asked.scheme in ("data", "about", "blob"):
        return True
    if own.scheme == "file":
        return (asked.scheme, asked.path) == (own.scheme, own.path)
    return (asked.scheme, asked.netloc) == (own.scheme, own.netloc)
