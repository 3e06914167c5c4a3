"""Pictures as files, opened in a browser: they work by mouse and by keyboard, and need nothing else."""

from pathlib import Path
from typing import Any

import pytest
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.pipeline.mixes import find_mixes
from spacy_elmo.visual import STYLES, render
from tests.browser.accessibility import check_accessibility
from tests.browser.live_page import BANKS, LivePage, OpenPage
from tests.browser.tabs import OpenTab
from tests.html_checks import PAGE
from tests.pipeline.training import initialize, pipeline, train

pytestmark = pytest.mark.needs("playwright")

WIDE, NARROW = 1280, 390
# How many marks have a name above their middle.
HIDDEN = """
marks => marks.filter(mark => {
  const box = mark.getBoundingClientRect();
  return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).matches("text");
}).length
"""


def select_docs(style: str, banks: list[Doc], nlp: Language) -> object:
    return {"similarity": banks[:2], "layers": nlp}.get(style, banks)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
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


def test_names_do_not_hide_points_of_a_map(open_figure: OpenPage, banks: list[Doc]) -> None:
    page = open_figure(banks, "map")
    assert page.page.locator(".elmo-panel:visible .elmo-names text").count() > 20
    hidden = page.page.eval_on_selector_all(".elmo-panel:not([hidden]) .elmo-point path", HIDDEN)
    assert hidden == 0


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_mixes_of_a_trained_pipeline(open_figure: OpenPage, width: int) -> None:
    nlp = pipeline("tagger", "ner", "textcat_multilabel")
    train(nlp, initialize(nlp), steps=3)
    page = open_figure(nlp, "layers", width=width)
    mixes = find_mixes(nlp)
    names = ["shared (elmo)", "tagger", "ner", "textcat_multilabel"]
    assert page.page.locator("tbody th").all_inner_texts() == [mix.name for mix in mixes] == names
    shown = [row.locator("td").all_inner_texts() for row in page.page.locator("tbody tr").all()]
    expected = [[*(f"{100 * share:.1f} %" for share in mix.shares), f"{mix.gamma:.2f}"] for mix in mixes]
    assert shown == expected
    # Each component has learnt shares of its own.
    assert len(set(map(tuple, shown))) == len(names)
    check_accessibility(page.page)
    room: int = page.page.locator(".elmo-scroll").evaluate("box => box.scrollWidth - box.clientWidth")
    assert room == 0


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
