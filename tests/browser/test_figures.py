"""Pictures as files, opened in a browser: they work by mouse and by keyboard, and need nothing else."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.visual import STYLES, render, save
from tests.browser.accessibility import check_accessibility
from tests.browser.live_page import BANKS, LivePage, OpenPage
from tests.browser.tabs import OpenTab
from tests.html_checks import PAGE

pytestmark = pytest.mark.needs("playwright")

WIDE, NARROW = 1280, 390
HOSTILE = (
    "<script>window.hacked=1</script><img/src=x/onerror='window.hacked=1'>\"'>&amp;</script></style></title>-->"
)


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


def select_docs(style: str, banks: list[Doc], nlp: Language) -> object:
    return {"similarity": banks[:2], "layers": nlp}.get(style, banks)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (WIDE, True), (NARROW, False)])
def test_accessible(
    open_figure: OpenPage, banks: list[Doc], nlp: Language, style: str, width: int, dark: bool
) -> None:
    page = open_figure(select_docs(style, banks, nlp), style, width=width, dark=dark)
    check_accessibility(page.page)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("style", STYLES)
def test_without_scripts_the_content_is_there(
    open_figure: OpenPage, banks: list[Doc], nlp: Language, style: str
) -> None:
    page = open_figure(select_docs(style, banks, nlp), style, javascript=False)
    shown = page.page.inner_text("main")
    words = {"layers": ["word_emb", "33.3 %"], "drift": ["river", "word_emb → lstm_outputs1"]}
    for word in words.get(style, ["bank"]):
        assert word in shown
    if style == "neighbours":
        assert page.neighbours()[0].sentence == BANKS[1]
    if style == "map":
        page.page.get_by_text("All tokens in their sentences").click()
        assert BANKS[3] in page.page.inner_text(".elmo-uses")


def test_a_token_is_clicked(open_figure: OpenPage, banks: list[Doc]) -> None:
    page = open_figure(banks, "neighbours", {"k": 3, "token": 0})
    assert page.page.inner_text(".elmo-chosen mark") == "They"
    page.page.evaluate("addEventListener('elmo:token', event => { window.chosen = event.detail; })")
    page.choose_token("bank", 3)
    assert page.page.evaluate("window.chosen") == {"token": 41, "text": "bank"}
    found = page.neighbours()
    assert len(found) == 3
    assert (found[0].token, found[0].sentence) == ("bank", BANKS[2])
    page.expect(page.page.locator("[aria-pressed=true]")).to_have_count(1)
    # What a script lists is what is in the file.
    listed = page.page.inner_html(".elmo-list")
    other = open_figure(banks, "neighbours", {"k": 3, "token": 41}, javascript=False)
    assert other.page.inner_html(".elmo-list") == listed


def test_the_layer_is_switched(open_figure: OpenPage, banks: list[Doc]) -> None:
    page = open_figure(banks, "neighbours")
    page.page.evaluate("addEventListener('elmo:layer', event => { window.layer = event.detail.layer; })")
    page.choose_layer("word_emb")
    assert page.page.evaluate("window.layer") == "word_emb"
    assert [n.cosine for n in page.neighbours()[:3]] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("style", ["similarity", "map"])
def test_a_panel_for_each_layer(open_figure: OpenPage, banks: list[Doc], style: str) -> None:
    page = open_figure(banks[:2], style)
    for layer in ("word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"):
        page.choose_layer(layer)
        page.expect(page.page.locator(".elmo-panel:visible")).to_have_count(1)
        panel = page.page.locator(".elmo-panel:visible")
        assert panel.get_attribute("data-layer") == layer
        check_accessibility(page.page)


def test_by_keyboard_alone(open_figure: OpenPage, banks: list[Doc]) -> None:
    page = open_figure(banks, "neighbours", {"token": 0})
    press = page.page.keyboard.press
    # The list of layers, then one stop for all tokens.
    press("Tab")
    assert page.page.evaluate("document.activeElement.className") == "elmo-layer"
    press("ArrowUp")
    assert page.page.input_value(".elmo-layer") == "word_emb"
    press("Tab")
    focused = page.page.locator(".elmo-token:focus")
    for key, text in [("ArrowRight", "sat"), ("ArrowDown", "The"), ("End", "."), ("ArrowLeft", "London"),
                      ("ArrowRight", "."), ("ArrowRight", "."), ("Home", "They"), ("ArrowLeft", "They"),
                      ("ArrowUp", "They"), ("ArrowRight", "sat")]:  # fmt: skip
        press(key)
        page.expect(focused).to_have_text(text)
    page.expect(page.page.locator(".elmo-chosen mark")).to_have_text("They")
    press("Enter")
    page.expect(page.page.locator(".elmo-chosen mark")).to_have_text("sat")
    press("ArrowRight")
    press("Space")
    page.expect(page.page.locator(".elmo-chosen mark")).to_have_text("on")
    # Tab leaves the tokens, and comes back to the one that was left.
    press("Shift+Tab")
    assert page.page.evaluate("document.activeElement.className") == "elmo-layer"
    press("Tab")
    page.expect(focused).to_have_text("on")


@pytest.mark.parametrize("style", STYLES)
def test_a_wide_table_scrolls_by_keyboard(
    open_figure: OpenPage, banks: list[Doc], nlp: Language, style: str
) -> None:
    page = open_figure(select_docs(style, banks, nlp), style, width=320)
    for box in page.page.locator(".elmo-scroll:visible").all():
        box.focus()
        room: int = box.evaluate("box => box.scrollWidth - box.clientWidth")
        page.page.keyboard.press("ArrowRight")
        if room > 40:
            page.wait_until("document.activeElement.scrollLeft > 0")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 320


def test_points_of_a_map_say_where_they_are_from(open_figure: OpenPage, banks: list[Doc]) -> None:
    page = open_figure(banks, "map", {"word": "Bank"})
    points = page.page.locator(".elmo-panel:visible .elmo-point")
    page.expect(points).to_have_count(4)
    points.nth(2).hover()
    page.expect(page.page.locator(".elmo-panel:visible .elmo-readout")).to_have_text(
        BANKS[2].replace("bank", "[bank]")
    )
    assert points.nth(1).locator("title").text_content() == BANKS[1].replace("bank", "[bank]")


@pytest.mark.parametrize(("lang", "one", "two"), [
    ("ar", "جلس على ضفة النهر", "غمرت المياه ضفة النهر"), ("he", "הוא ישב על גדת הנהר", "המים שטפו את גדת הנהר")
])  # fmt: skip
@pytest.mark.parametrize("style", ["neighbours", "similarity", "map", "drift"])
def test_from_right_to_left(open_figure: OpenPage, lang: str, one: str, two: str, style: str) -> None:
    nlp = spacy.blank(lang)
    nlp.add_pipe("elmo_embedder", config={"source": "en_sm"})
    nlp.initialize()
    page = open_figure([nlp(one), nlp(two)], style, width=NARROW)
    check_accessibility(page.page)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= NARROW
    if style == "neighbours":
        first, second = (page.page.locator(".elmo-sentence").first.locator("button").nth(k) for k in (0, 1))
        assert left(first) > left(second)
        first.click()
        page.page.keyboard.press("ArrowLeft")
        page.expect(page.page.locator(".elmo-token:focus")).to_have_text(one.split()[1])
        page.page.keyboard.press("ArrowRight")
        page.expect(page.page.locator(".elmo-token:focus")).to_have_text(one.split()[0])
    if style == "drift":
        assert left(page.page.locator(".elmo-word").nth(0)) > left(page.page.locator(".elmo-word").nth(1))
    if style == "similarity":
        heads = page.page.locator("table:visible thead th")
        assert left(heads.nth(0)) > left(heads.nth(1))


def left(locator: Any) -> float:
    box = locator.bounding_box()
    return float(box["x"])


@pytest.mark.parametrize("style", ["neighbours", "similarity", "map", "drift"])
def test_markup_stays_text(open_figure: OpenPage, nlp: Language, style: str) -> None:
    docs = [Doc(nlp.vocab, words=[HOSTILE, "a", HOSTILE, "b"]) for _ in range(2)]
    for doc in docs:
        nlp.get_pipe("elmo_embedder")(doc)
        doc.user_data["title"] = HOSTILE
    page = open_figure(docs, style, {"word": HOSTILE, "labels": [HOSTILE, "b"]} if style == "map" else {})
    assert page.page.evaluate("'hacked' in window") is False
    assert page.page.locator("img, main style").count() == 0
    assert "<script>" in page.page.inner_text("main")
    if style == "neighbours":
        page.page.locator(".elmo-token").last.click()
        page.page.locator(".elmo-token").first.click()
        page.choose_layer("elmo")
        assert "<script>" in page.page.inner_text(".elmo-chosen mark")
    if style == "map":
        # The last one, as all have the same place.
        page.page.locator(".elmo-panel:visible .elmo-point").last.hover()
        assert "<script>" in page.page.inner_text(".elmo-panel:visible .elmo-readout")
    assert page.page.evaluate("'hacked' in window") is False
    check_accessibility(page.page)


def test_two_figures_in_one_page(open_tab: OpenTab, expect: Any, tmp_path: Path, banks: list[Doc]) -> None:
    """As two cells of a notebook, each with its script."""
    parts = [render(banks, "neighbours"), render(banks[:2], "similarity"), render(banks, "neighbours")]
    path = tmp_path / "two.html"
    path.write_text(PAGE.format("\n<hr>\n".join(map(str, parts))), "utf-8")
    tab = open_tab(path.as_uri())
    one, two = (LivePage(tab, expect=expect, figure=f".elmo-figure >> nth={k}") for k in (0, 2))
    before = two.neighbours()
    one.choose_layer("word_emb")
    one.choose_token("money")
    assert two.neighbours() == before
    expect(two.page.locator(".elmo-panel:visible")).to_have_attribute("data-layer", "lstm_outputs1")
    two.choose_token("stream")
    assert one.page.locator(".elmo-chosen mark").all_inner_texts() == ["money", "stream"]


def test_texts_without_tokens(open_figure: OpenPage, nlp: Language) -> None:
    for style in ("neighbours", "similarity", "map", "drift"):
        page = open_figure([nlp("")], style)
        assert "There is no token" in page.page.inner_text("main")
        check_accessibility(page.page)
