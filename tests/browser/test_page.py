"""The live page: somebody types, clicks, and reads the result."""

import numpy as np
import pytest

import spacy_elmo
from spacy_elmo.elmo import Elmo
from tests.browser.accessibility import check_accessibility
from tests.browser.live_page import BANKS, LONDON, MONEY, RIVER, STREAM, OpenPage
from tests.browser.tabs import OpenTab
from tests.html_checks import check_html

pytestmark = [pytest.mark.needs("playwright"), pytest.mark.needs("starlette")]

STYLES = ["Neighbours", "Map", "Similarity", "Layers", "Drift"]
WIDE, NARROW = 1280, 390
PARAPHRASES = [
    "The company bought a small firm in London last year.",
    "Last year, a little London business was acquired by the company.",
]


@pytest.fixture(scope="module")
def en_sm() -> Elmo:
    return spacy_elmo.load("en_sm")


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def split(line: str) -> list[str]:
    return line.replace(",", " ,").replace(".", " .").split()


def test_banks_typed_by_hand(open_page: OpenPage, en_sm: Elmo) -> None:
    page = open_page()
    page.write(BANKS)
    tokens = [split(line) for line in BANKS]
    vectors = [output.lstm_outputs1[line.index("bank")] for output, line in zip(en_sm.embed(tokens), tokens)]
    for number, (sentence, same_meaning) in enumerate(
        [(RIVER, STREAM), (STREAM, RIVER), (MONEY, LONDON), (LONDON, MONEY)]
    ):
        page.choose_token("bank", number)
        found = {
            neighbour.sentence: neighbour.cosine for neighbour in page.neighbours() if neighbour.token == "bank"
        }
        assert next(iter(found)) == same_meaning
        assert page.neighbours()[0].sentence == same_meaning
        # The numbers are those of the model.
        expected = {line: cosine(vectors[number], vector) for line, vector in zip(BANKS, vectors)}
        assert found == pytest.approx({line: expected[line] for line in found}, abs=0.006)
        assert sentence not in found


def test_the_layer_is_switched(open_page: OpenPage) -> None:
    page = open_page()
    page.write(BANKS)
    page.choose_token("bank")
    before = page.neighbours()
    requests: list[str] = []
    page.page.on("request", lambda request: requests.append(request.url))
    page.choose_layer("word_emb")
    # Below the LSTMs, a word is the same in every sentence.
    assert {(n.token, n.cosine) for n in page.neighbours()[:3]} == {("bank", 1.0)}
    page.choose_layer("lstm_outputs1")
    assert page.neighbours() == before
    assert requests == []
    # What is typed next keeps both the layer and the token.
    page.choose_layer("word_emb")
    page.page.locator("#text").press("Control+End")
    page.page.keyboard.type(" A bank!")
    page.expect(page.page.locator("#count")).to_contain_text("5 sentences")
    assert [n.cosine for n in page.neighbours()[:5]] == [1.0] * 4 + [page.neighbours()[4].cosine]


def test_the_token_is_kept_while_text_is_typed_before_it(open_page: OpenPage) -> None:
    page = open_page()
    page.write(BANKS)
    page.choose_token("money")
    page.page.locator("#text").press("Control+Home")
    page.page.keyboard.type("Look here. ")
    page.expect(page.page.locator("#count")).to_contain_text("5 sentences")
    page.expect(page.token("money")).to_have_attribute("aria-pressed", "true")
    assert MONEY not in {n.sentence for n in page.neighbours()}


def test_neighbours_of_the_same_sentence(open_page: OpenPage) -> None:
    page = open_page()
    page.write(BANKS)
    page.choose_token("river")
    assert RIVER not in {n.sentence for n in page.neighbours()}
    page.page.get_by_label("Also tokens of the same sentence").check()
    page.wait_until("document.querySelector('.elmo-results').textContent.includes('watched')")
    assert RIVER in {n.sentence for n in page.neighbours()}


def test_a_map_of_a_word(open_page: OpenPage) -> None:
    page = open_page()
    page.write(BANKS)
    page.choose_style("Map")
    page.page.select_option("#word", "bank")
    picture = page.page.locator("#figure svg[role=img]:visible")
    page.expect(picture.locator(".elmo-point")).to_have_count(4)
    uses = page.page.locator("#figure .elmo-uses li")
    assert [use.strip() for use in uses.all_inner_texts()] == BANKS
    assert picture.locator(".elmo-names text").all_text_contents() == ["1", "2", "3", "4"]
    # The uses with one meaning are nearer to each other than to the others, on the picture as well.
    boxes = [point.bounding_box() for point in picture.locator(".elmo-point").all()]
    a, b, c, d = [complex(box["x"], box["y"]) for box in boxes if box]
    assert max(abs(a - b), abs(c - d)) < min(abs(one - other) for one in (a, b) for other in (c, d))


def test_two_paraphrases(open_page: OpenPage, en_sm: Elmo) -> None:
    page = open_page()
    page.page.get_by_role("button", name="Paraphrases", exact=True).click()
    page.expect(page.page.locator("#figure table:visible")).to_be_visible()
    assert page.page.input_value("#text").splitlines() == PARAPHRASES
    rows = page.page.locator("#figure table:visible tbody tr")
    heads = page.page.locator("#figure table:visible thead th").all_inner_texts()
    assert heads[:4] == ["Last", "year", ",", "a"]
    assert rows.locator("th").all_inner_texts()[:2] == ["The", "company"]
    tokens = [split(line) for line in PARAPHRASES]
    one, two = (output.lstm_outputs1 for output in en_sm.embed(tokens))
    assert heads == tokens[1]
    shown = [
        [float(cell.replace("\u2212", "-")) for cell in row.locator("td").all_inner_texts()] for row in rows.all()
    ]
    norms = np.linalg.norm(one, axis=1)[:, None] * np.linalg.norm(two, axis=1)
    np.testing.assert_allclose(shown, one @ two.T / norms, atol=0.006)
    best = rows.nth(tokens[0].index("London")).locator(".elmo-best").inner_text()
    assert best == f"{shown[tokens[0].index('London')][tokens[1].index('London')]:.2f}"


def test_a_pair_of_sentences_is_chosen(open_page: OpenPage) -> None:
    page = open_page()
    page.write(BANKS)
    page.choose_style("Similarity")
    page.page.select_option("#pair-two", "3")
    page.expect(page.page.locator("#figure table:visible thead")).to_contain_text("London")
    assert "boats" in page.page.locator("#figure table:visible tbody th").all_inner_texts()
    page.wait_until("location.hash.includes('pair=0%2C3')")
    other = open_page(page.page.evaluate("location.hash"))
    other.expect(other.page.locator("#pair-two")).to_have_value("3")
    other.expect(other.page.locator("#figure table:visible thead")).to_contain_text("London")


def test_layers_and_drift(open_page: OpenPage) -> None:
    page = open_page()
    page.write(BANKS)
    page.choose_style("Layers")
    table = page.page.locator("#figure table")
    for layer in ("word_emb", "lstm_outputs1", "lstm_outputs2"):
        page.expect(table).to_contain_text(layer)
    page.choose_style("Drift")
    words = page.page.locator("#figure .elmo-word").all_inner_texts()
    assert words == [token for line in BANKS for token in split(line)]


@pytest.mark.parametrize("name", ["Bank", "Bear", "Paraphrases"])
def test_examples(open_page: OpenPage, name: str) -> None:
    page = open_page()
    page.write(["Something else entirely."])
    page.page.get_by_role("button", name=name, exact=True).click()
    page.expect(page.page.locator("#count")).not_to_have_text("1 sentence, 4 tokens")
    page.expect(page.page.locator("#figure .elmo-figure")).to_be_visible()
    assert page.page.input_value("#text") != "Something else entirely."
    # The text that was there before is not lost.
    page.page.go_back()
    page.expect(page.page.locator("#text")).to_have_value("Something else entirely.")


def test_a_link_holds_the_state(open_page: OpenPage, open_tab: OpenTab) -> None:
    page = open_page()
    page.write([*BANKS, "مصرف 🏦 & <b>#?=+%"])
    page.choose_layer("lstm_outputs2")
    page.choose_token("bank", 2)
    page.wait_until("location.hash.includes('bank%3A3') && location.hash.includes('lstm_outputs2')")
    fragment = page.page.evaluate("location.hash")
    other = open_page(fragment)
    assert other.page.input_value("#text") == page.page.input_value("#text")
    other.expect(other.token("bank", 2)).to_have_attribute("aria-pressed", "true")
    assert other.page.input_value("#figure select.elmo-layer") == "lstm_outputs2"
    assert other.neighbours() == page.neighbours()
    other.choose_style("Map")
    other.page.select_option("#word", "bank")
    other.wait_until("location.hash.includes('style=map') && location.hash.includes('word=bank')")
    third = open_page(other.page.evaluate("location.hash"))
    third.expect(third.page.locator("#word")).to_have_value("bank")
    third.expect(third.page.locator("#figure svg:visible .elmo-point")).to_have_count(4)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_accessible(open_page: OpenPage, style: str, width: int, dark: bool) -> None:
    page = open_page(width=width, dark=dark)
    page.choose_style(style)
    check_accessibility(page.page)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.needs("html5lib")
def test_valid_in_every_style(open_page: OpenPage) -> None:
    page = open_page()
    pages = []
    for style in STYLES:
        page.choose_style(style)
        pages.append("<!DOCTYPE html>" + page.page.evaluate("document.documentElement.outerHTML"))
    check_html(*pages)


def test_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    press = page.page.keyboard.press
    page.page.focus("#text")
    press("Control+A")
    page.page.keyboard.type("The bank. A bank of sand.")
    page.expect(page.page.locator("#count")).to_contain_text("2 sentences")
    for _ in range(20):
        press("Tab")
        if page.page.evaluate("document.activeElement.name === 'style'"):
            break
    press("ArrowRight")
    page.expect(page.page.locator("#figure .elmo-figure")).to_have_attribute("data-style", "map")
    press("ArrowLeft")
    page.expect(page.page.locator("#figure .elmo-figure")).to_have_attribute("data-style", "neighbours")
    for _ in range(20):
        press("Tab")
        if page.page.evaluate("document.activeElement.matches('.elmo-token')"):
            break
    before = page.page.evaluate("document.activeElement.textContent")
    press("ArrowRight")
    press("Enter")
    chosen = page.page.locator(".elmo-token[aria-pressed=true]").inner_text()
    assert chosen != before
    page.expect(page.page.locator(".elmo-chosen mark")).to_have_text(chosen)
