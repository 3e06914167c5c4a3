"""The live page when things go wrong: a server that is away, text that is too long, and text that is odd."""

from typing import Any

import pytest

from tests.browser.accessibility import check_accessibility
from tests.browser.live_page import BANKS, LivePage, OpenPage
from tests.browser.served import serve
from tests.browser.tabs import OpenTab

pytestmark = [pytest.mark.needs("playwright"), pytest.mark.needs("starlette")]

HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\"'>&amp;</textarea></option>"
PUT = "(field, units) => { field.value = String.fromCharCode(...units); field.dispatchEvent(new Event('input')); }"
STYLES = ["Neighbours", "Map", "Similarity", "Layers", "Drift"]


@pytest.mark.slow
def test_a_server_that_is_away(open_tab: OpenTab, expect: Any) -> None:
    with serve("--source", "en_sm") as first:
        tab = open_tab(first.url)
        page = LivePage(tab, expect=expect)
        page.write(BANKS)
    error = page.page.locator("#error")
    before = page.page.locator("#figure").inner_text()
    page.page.keyboard.type(" More.")
    expect(error).to_contain_text("cannot be reached")
    check_accessibility(page.page)
    # What is there can still be read.
    assert page.page.locator("#figure").inner_text() == before
    assert page.page.input_value("#text") == "\n".join(BANKS) + " More."
    with serve("--source", "en_sm", "--port", str(first.port)):
        expect(page.page.locator("#count")).to_contain_text("5 sentences")
        expect(error).to_be_empty()
    # The browser says of each attempt that it failed.
    assert all("ERR_CONNECTION_REFUSED" in text or "ERR_EMPTY_RESPONSE" in text for text in tab.errors)
    assert tab.errors
    tab.errors.clear()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("word " * 2_100, "2,048"),
        # The page does not know that spaCy makes two tokens of it.
        ("can't " * 1_100, "2,048"),
        ("a,b" * 400, "without a space"),
        pytest.param("abcd efg " * 120_000, "Remove a part", marks=pytest.mark.slow),
        pytest.param("x" * 1_050_000, "Remove a part", marks=pytest.mark.slow),
    ],
    ids=["words", "tokens", "a long word", "a megabyte of words", "a megabyte in one word"],
)
def test_text_that_is_too_long(open_page: OpenPage, text: str, words: str) -> None:
    page = open_page()
    page.write(BANKS)
    page.paste(text)
    page.expect(page.page.locator("#error")).to_contain_text(words)
    check_accessibility(page.page)
    page.write(["It goes on."])
    page.expect(page.page.locator("#error")).to_be_empty()
    # What the server refuses is a line in the console.
    assert all("status of 4" in error for error in page.tab.errors)
    page.tab.errors.clear()


@pytest.mark.parametrize("style", STYLES)
def test_markup_stays_text(open_page: OpenPage, style: str) -> None:
    page = open_page()
    page.write(["A text that is gone soon"])
    page.choose_style(style)
    page.paste(f"{HOSTILE} {HOSTILE}\n{HOSTILE}")
    page.expect(page.page.locator("#count")).not_to_have_text("1 sentence, 6 tokens")
    page.expect(page.page.locator("#figure .elmo-figure")).to_be_visible()
    assert page.page.evaluate("'hacked' in window") is False
    assert (
        page.page.locator("#figure img, #figure textarea, #figure script:not([type='application/json'])").count()
        == 0
    )
    if style == "Neighbours":
        assert "<script>" in page.page.locator(".elmo-text").inner_text()
        page.page.locator(".elmo-token").last.click()
        assert page.page.evaluate("'hacked' in window") is False


def test_emoji_and_other_scripts(open_page: OpenPage) -> None:
    page = open_page()
    page.write(["A text that is gone soon"])
    page.paste("The 🏦 is by the river 👩‍👩‍👧‍👦.\nجلس على ضفة النهر وشاهد القوارب\nהוא ישב על גדת הנהר")
    page.expect(page.page.locator("#count")).to_contain_text("3 sentences")
    texts = page.page.locator("#figure .elmo-token").all_inner_texts()
    assert {"🏦", "ضفة", "גדת"} <= set(texts)
    directions = page.page.eval_on_selector_all(
        ".elmo-sentence", "all => all.map(e => getComputedStyle(e).direction)"
    )
    assert directions == ["ltr", "rtl", "rtl"]
    page.choose_token("ضفة")
    page.expect(page.page.locator(".elmo-chosen mark")).to_have_text("ضفة")
    # In a text from right to left, the next token is at the left.
    page.page.keyboard.press("ArrowLeft")
    page.expect(page.page.locator(".elmo-token:focus")).to_have_text("النهر")


@pytest.mark.parametrize(
    "text", ["\ud800 alone", "a \udfff b\nc", "\x00\x01 nul", "\ufffe\uffff", "\u202e turned", "\u2028\u0085"]
)
def test_what_is_no_text(open_page: OpenPage, text: str) -> None:
    """Halves of pairs cannot be typed, but a page's own script or a link may bring them."""
    page = open_page()
    page.write(["A text that is gone soon"])
    page.page.locator("#text").evaluate(PUT, [ord(character) for character in text])
    answered = "document.querySelector('#count').textContent !== '1 sentence, 6 tokens'"
    page.wait_until(f"document.querySelector('#error').textContent || {answered}")
    page.write(BANKS)
    page.expect(page.page.locator("#error")).to_be_empty()
    page.choose_token("bank")
    assert all("status of 4" in error for error in page.tab.errors)
    page.tab.errors.clear()


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t"])
def test_no_text(open_page: OpenPage, text: str) -> None:
    page = open_page()
    page.page.fill("#text", text)
    page.expect(page.page.locator("#count")).to_have_text("0 sentences, 0 tokens")
    page.expect(page.page.locator("#figure")).to_contain_text("Type a text")
    for style in STYLES:
        page.page.get_by_role("radio", name=style, exact=True).check()
    page.expect(page.page.locator("#error")).to_be_empty()


def test_one_word(open_page: OpenPage) -> None:
    page = open_page()
    page.write(["Bank"])
    for style in STYLES:
        page.choose_style(style)
        page.expect(page.page.locator("#error")).to_be_empty()
        check_accessibility(page.page)


@pytest.mark.parametrize(
    "fragment",
    [
        "#style=nosuch",
        "#layer=nosuch&token=:0&pair=9,99&style=similarity",
        "#style=map&word=nosuch",
        "#%",
        "#token=bank:999999",
    ],
)
def test_links_that_make_no_sense(open_page: OpenPage, fragment: str) -> None:
    page = open_page(fragment)
    page.expect(page.page.locator("#error")).to_be_empty()
    page.write(BANKS)
    page.expect(page.page.locator("#error")).to_be_empty()
    assert all("status of 4" in error for error in page.tab.errors)
    page.tab.errors.clear()
