"""What somebody does at the live page, and reads there."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.browser.tabs import PATIENCE, Tab

if TYPE_CHECKING:
    from playwright.sync_api import Locator

# Two uses with one meaning, then two with another.
RIVER = "They sat on the bank of the river and watched the boats."
STREAM = "The flood had washed away the bank of the stream."
MONEY = "She put her money in the bank every Friday."
LONDON = "He kept all his money in a bank in London."
BANKS = [RIVER, STREAM, MONEY, LONDON]


class Neighbour(NamedTuple):
    """An entry in the list of neighbours.

    cosine (float): The number.
    token (str): The token that is marked.
    sentence (str): All of its text.
    """

    cosine: float
    token: str
    sentence: str


class LivePage:
    """The page that `spacy-elmo serve` shows, or a picture of its own.

    tab (Tab): Where it is open.
    expect: playwright's assertions.
    figure (str): playwright's selector of the picture.
    """

    def __init__(self, tab: Tab, *, expect: Any, figure: str = "#figure") -> None:
        self.tab = tab
        self.figure = tab.page.locator(figure)
        self.page = tab.page
        self.expect = expect

    def write(self, lines: list[str]) -> None:
        """Type lines by hand into the empty field, and wait for their figure."""
        self.page.fill("#text", "")
        self.page.click("#text")
        for number, line in enumerate(lines):
            if number:
                self.page.keyboard.press("Enter")
            self.page.keyboard.type(line)
        self.expect(self.page.locator("#count")).to_contain_text(f"{len(lines)} sentence")

    def paste(self, text: str) -> None:
        """Replace the text at once."""
        self.page.click("#text")
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def wait_until(self, expression: str) -> None:
        """Wait until JavaScript is true. The page's policy forbids what playwright has for this."""
        end = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            self.page.wait_for_timeout(20)

    def choose_style(self, name: str) -> None:
        self.page.get_by_role("radio", name=name, exact=True).check()
        style = name.lower()
        self.expect(self.figure.locator(".elmo-figure")).to_have_attribute("data-style", style)

    def choose_layer(self, name: str) -> None:
        self.figure.locator("select.elmo-layer").select_option(name)

    def token(self, text: str, number: int = 0) -> "Locator":
        """Find the button of a token; of several with the text, that of a number from 0 up."""
        tokens = self.figure.locator("button.elmo-token")
        return tokens.filter(has_text=text).nth(number)

    def choose_token(self, text: str, number: int = 0) -> None:
        button = self.token(text, number)
        button.click()
        self.expect(button).to_have_attribute("aria-pressed", "true")

    def neighbours(self) -> list[Neighbour]:
        """Read the list, nearest first."""
        found = []
        for item in self.figure.locator(".elmo-neighbour").all():
            number, context = item.locator(".elmo-number").inner_text(), item.locator(".elmo-context")
            found.append(
                Neighbour(
                    cosine=float(number.replace("\u2212", "-")),
                    token=context.locator("mark").inner_text(),
                    sentence=context.inner_text(),
                )
            )
        return found


# open_page("#style=map", width=390) -> LivePage
OpenPage = Callable[..., LivePage]
