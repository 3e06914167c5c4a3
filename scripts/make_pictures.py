"""Make the pictures of the documentation, docs/images: the live page of the bundled model, as a browser shows it.

Run from the repository's root by `python -m scripts.make_pictures`, with the extras `tests` and `tests-browser`
and what scripts/install_browser.sh installs; look at the result and commit it. How letters look depends on the
fonts of the machine.
"""

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from PIL import Image

from tests.browser.chromium import find_browser, launch
from tests.browser.served import serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FloatRect, Page

FOLDER = Path(__file__).parent.parent / "docs" / "images"
BANKS = [
    "They sat on the bank of the river and watched the boats.",
    "The flood had washed away the bank of the stream.",
    "She put her money in the bank every Friday.",
    "He kept all his money in a bank in London.",
]
PARAPHRASES = [
    "The company bought a small firm in London last year.",
    "Last year, a little London business was acquired by the company.",
]
# Sharp enough for a dense screen, and small.
SCALE = 1.25
# So are few colours; a table of numbers has more of them.
PAGE_COLOURS, TABLE_COLOURS = 32, 128


def make_pictures(folder: Path) -> None:
    """Take the pictures.

    folder (Path): Where to write them.
    """
    path = find_browser()
    if path is None:
        sys.exit("No browser was found: run scripts/install_browser.sh")
    folder.mkdir(parents=True, exist_ok=True)
    with serve("--source", "en_sm") as served, launch(path) as browser:
        page = open_page(browser, served.url, width=1280, text=BANKS, style="neighbours", token="bank:1")
        png = page.screenshot(full_page=True, clip=measure(page))
        write(png, folder / "neighbours.png", n_colours=PAGE_COLOURS)
        page = open_page(browser, served.url, width=820, text=PARAPHRASES, style="similarity")
        write(page.locator(".elmo-figure").screenshot(), folder / "similarity.png", n_colours=TABLE_COLOURS)


def open_page(browser: "Browser", url: str, *, width: int, text: list[str], **state: str) -> "Page":
    """Open the live page by a link that holds its state."""
    page = browser.new_page(viewport={"width": width, "height": 600}, device_scale_factor=SCALE)
    page.goto(f"{url}#{urlencode({'text': chr(10).join(text), **state})}")
    page.wait_for_selector("#figure .elmo-figure")
    # The time that it took is another one each time.
    page.evaluate("document.querySelector('#time').hidden = true")
    return page


def measure(page: "Page") -> "FloatRect":
    """Measure the page down to the end of its main part."""
    height = page.evaluate("document.querySelector('main').getBoundingClientRect().bottom + scrollY")
    return {"x": 0, "y": 0, "width": page.evaluate("document.documentElement.clientWidth"), "height": height + 16}


def write(png: bytes, path: Path, *, n_colours: int) -> None:
    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGB").quantize(n_colours, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    print(f"{path}: {image.width} x {image.height}, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    make_pictures(FOLDER)
