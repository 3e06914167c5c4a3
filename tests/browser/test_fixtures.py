"""What the other tests here rely on: that errors, requests to elsewhere and faults of a page are noticed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.accessibility import check_accessibility
from tests.browser.tabs import OpenTab, is_own

pytestmark = pytest.mark.needs("playwright")

GOOD = "<main><h1>Title</h1><p>Text</p></main>"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a page with some body, and gives its address."""

    def write_page(body: str, *, head: str = "") -> str:
        path = tmp_path / "page.html"
        top = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Test</title>{head}'
        path.write_text(f'<!DOCTYPE html><html lang="en"><head>{top}</head><body>{body}</body></html>', "utf-8")
        return path.as_uri()

    return write_page


def test_a_page_without_fault(open_tab: OpenTab, write: Callable[..., str]) -> None:
    tab = open_tab(write(GOOD), width=390)
    assert tab.page.evaluate("innerWidth") == 390
    assert tab.page.inner_text("h1") == "Title"
    check_accessibility(tab.page)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("console.error('spilt')", "spilt"),
        ("throw new Error('broken')", "broken"),
        ("Promise.reject(new Error('forgotten'))", "forgotten"),
    ],
)
def test_errors_are_noticed(open_tab: OpenTab, write: Callable[..., str], script: str, error: str) -> None:
    tab = open_tab(write(GOOD + f"<script>{script}</script>"))
    tab.page.wait_for_function("true")
    assert [error in text for text in tab.errors] == [True]
    with pytest.raises(AssertionError, match=error):
        tab.check()
    tab.errors.clear()


@pytest.mark.parametrize(
    "element",
    [
        '<img alt="" src="https://example.org/a.png">',
        '<img alt="" src="http://192.0.2.1/a.png">',
        '<script src="https://example.org/a.js"></script>',
        '<link rel="stylesheet" href="https://example.org/a.css">',
        "<script>fetch('https://example.org/')</script>",
    ],
)
def test_requests_to_elsewhere_are_noticed_and_fail(
    open_tab: OpenTab, write: Callable[..., str], element: str
) -> None:
    tab = open_tab(write(GOOD + element))
    tab.page.wait_for_load_state("networkidle")
    assert len(tab.foreign) == 1
    # The browser says so as well.
    assert any("ERR_NAME_NOT_RESOLVED" in error for error in tab.errors)
    with pytest.raises(AssertionError, match="asked elsewhere"):
        tab.check()
    tab.foreign.clear()
    tab.errors.clear()


def test_what_is_a_page_own() -> None:
    page = "http://127.0.0.1:8000/?a=b"
    assert is_own("http://127.0.0.1:8000/api/view", page)
    assert is_own("data:,", page)
    assert not is_own("http://127.0.0.1:8001/", page)
    assert not is_own("https://127.0.0.1:8000/", page)
    assert not is_own("file:///tmp/a.html", page)
    assert is_own("file:///tmp/a.html#b", "file:///tmp/a.html")
    assert not is_own("file:///tmp/b.html", "file:///tmp/a.html")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<main><h1>Title</h1><img src="data:,"></main>', "image-alt"),
        ('<main><h1>Title</h1><p style="color: #bbb; background: #fff">Pale</p></main>', "color-contrast"),
        ('<main><h1>Title</h1><input type="text"></main>', "label"),
        ("<h1>Title</h1>", "region"),
    ],
)
def test_axe_finds_faults(open_tab: OpenTab, write: Callable[..., str], body: str, rule: str) -> None:
    tab = open_tab(write(body))
    with pytest.raises(AssertionError, match=rule):
        check_accessibility(tab.page)


def test_axe_runs_where_the_page_allows_no_script(open_tab: OpenTab, write: Callable[..., str]) -> None:
    policy = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'">'
    check_accessibility(open_tab(write(GOOD, head=policy)).page)


def test_without_scripts(open_tab: OpenTab, write: Callable[..., str]) -> None:
    tab = open_tab(write(GOOD + "<script>document.body.textContent = 'Gone'</script>"), javascript=False)
    assert tab.page.inner_text("h1") == "Title"
