"""Pictures of odd texts, opened in a browser: from right to left, with markup in them, and without a token."""

from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from tests.browser.accessibility import check_accessibility
from tests.browser.live_page import OpenPage

pytestmark = pytest.mark.needs("playwright")

NARROW = 390
HOSTILE = (
    "<script>window.hacked=1</script><img/src=x/onerror='window.hacked=1'>\"'>&amp;</script></style></title>-->"
)


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


def test_texts_without_tokens(open_figure: OpenPage, nlp: Language) -> None:
    for style in ("neighbours", "similarity", "map", "drift"):
        page = open_figure([nlp("")], style)
        assert "There is no token" in page.page.inner_text("main")
        check_accessibility(page.page)
