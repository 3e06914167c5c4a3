"""Pictures of ten thousand tokens: opened and used without delay, and clear about what was left out."""

import time
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.tokens import Doc

from spacy_elmo.visual import save
from tests.browser.accessibility import check_accessibility
from tests.browser.live_page import LivePage
from tests.browser.tabs import OpenTab
from tests.data import Measured

pytestmark = [pytest.mark.needs("playwright"), pytest.mark.slow]

N_TOKENS, MAX_TOKENS = 10_500, 10_000
# Seconds; an idle machine takes a fraction of them.
LOAD_LIMIT, CLICK_LIMIT = 2.0, 1.0
# From the event to the frame that shows what it did.
CLICK = """
row => new Promise(done => {
  const start = performance.now();
  document.querySelectorAll(".elmo-token")[row].click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})
"""


@pytest.fixture(scope="module")
def docs(text: Path) -> list[Doc]:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("elmo_embedder", config={"source": "en_sm"})
    nlp.initialize()
    lines = text.read_text("utf-8")
    pieces: list[Doc] = []
    n_tokens = 0
    while n_tokens < N_TOKENS:
        pieces.append(nlp(f"Copy {len(pieces)}. {lines}"))
        n_tokens += sum(not token.is_space for token in pieces[-1])
    return pieces


@pytest.mark.parametrize(("style", "n_shown"), [("neighbours", MAX_TOKENS), ("map", 1_000), ("drift", 1_000)])
def test_many_tokens(
    open_tab: OpenTab, expect: Any, tmp_path: Path, docs: list[Doc], style: str, n_shown: int, measured: Measured
) -> None:
    n_tokens = sum(not token.is_space for doc in docs for token in doc)
    path = tmp_path / "large.html"
    start = time.perf_counter()
    save(docs, path, style)
    drawn = time.perf_counter()
    page = LivePage(open_tab(path.as_uri(), width=390), expect=expect, figure=".elmo-figure")
    # The next frame comes when everything has its place.
    page.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    loaded = time.perf_counter()
    counted = {"neighbours": ".elmo-token", "map": ".elmo-panel:visible .elmo-point", "drift": ".elmo-word"}[style]
    assert page.page.locator(counted).count() == n_shown
    assert f"{n_tokens - n_shown:,} of {n_tokens:,} tokens are left out" in page.page.inner_text(".elmo-note")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    clicks = []
    if style == "neighbours":
        for row in (0, n_shown - 1, n_shown // 2):
            clicks.append(page.page.evaluate(CLICK, row) / 1000)
            assert (
                page.page.inner_text(".elmo-chosen mark") == page.page.locator(".elmo-token").nth(row).inner_text()
            )
        page.choose_layer("word_emb")
    measured(
        f"picture, {style}, {n_shown:,} of {n_tokens:,} tokens, {path.stat().st_size / 1e6:.1f} MB: drawn in "
        f"{drawn - start:.1f} s, opened in {loaded - drawn:.2f} s"
        + (f", a click takes {max(clicks) * 1000:.0f} ms at most" if clicks else "")
    )
    assert loaded - drawn < LOAD_LIMIT
    assert max(clicks, default=0) < CLICK_LIMIT


def test_a_large_heat_map(open_tab: OpenTab, expect: Any, tmp_path: Path, docs: list[Doc]) -> None:
    path = tmp_path / "large.html"
    save(docs[:2], path, "similarity")
    page = LivePage(open_tab(path.as_uri(), width=390), expect=expect, figure=".elmo-figure")
    assert page.page.locator("table:visible td[class]").count() == 50 * 50
    assert "tokens are left out" in page.page.locator(".elmo-note").last.inner_text()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    check_accessibility(page.page)
