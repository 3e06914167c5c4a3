"""HTML: escaped text, the parts that all figures have, and whole pages."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from html import escape as escape_html
from pathlib import Path

_ASSETS = Path(__file__).parent / "assets"
# What HTML may not contain: control characters, halves of surrogate pairs, and what is no character at all.
_NOT_ALLOWED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_REPLACEMENT = "\ufffd"
# Heat is shown in so many steps: classes of visual.css.
_STEPS = 20
# Longer tokens would be wider than the picture.
_LONGEST = 60


def read_asset(name: str) -> str:
    """Read a file that figures need in the browser.

    name (str): visual.css or visual.js.
    RETURNS (str): Its text.
    """
    return (_ASSETS / name).read_text("utf-8")


def escape(text: str) -> str:
    """Make any text safe for HTML, in elements and in attributes.

    text (str): The text.
    RETURNS (str): The text, with U+FFFD for what HTML may not contain.
    """
    return escape_html(_NOT_ALLOWED.sub(_REPLACEMENT, text), quote=True)


def shorten(text: str) -> str:
    """Shorten a token that is too long to be shown.

    text (str): The token.
    RETURNS (str): At most 60 characters.
    """
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def find_direction(texts: Iterable[str]) -> str:
    """Find the direction of writing, by the first letter that has one (Unicode Standard Annex 9, rule P2).

    texts (Iterable[str]): The parts of a text.
    RETURNS (str): "ltr" or "rtl".
    """
    for text in texts:
        for character in text:
            kind = unicodedata.bidirectional(character)
            if kind in ("R", "AL"):
                return "rtl"
            if kind == "L":
                return "ltr"
    return "ltr"


def format_number(value: float) -> str:
    """Write a number from -1 to 2 with two decimals.

    value (float): The number; NaN is written as a dash.
    RETURNS (str): Its text, with the sign for minus that has the width of a digit.
    """
    return "–" if value != value else f"{value:.2f}".replace("-0.00", "0.00").replace("-", "\u2212")


def heat_class(value: float) -> str:
    """Get the class of a cell's colour.

    value (float): From 0, paper, to 1, ink; what is below has a class of its own.
    RETURNS (str): The classes, for the attribute.
    """
    if value != value:
        return "elmo-cell elmo-none"
    if value < -0.005:
        return "elmo-cell elmo-negative"
    return f"elmo-cell elmo-h{round(min(max(value, 0.0), 1.0) * _STEPS)}"


def make_figure(
    style: str, *, title: str, body: str, layers: Sequence[str] = (), layer: str = "", notes: Sequence[str] = ()
) -> str:
    """Put a figure together.

    style (str): The style.
    title (str): What the figure shows, in HTML.
    body (str): The HTML of its content.
    layers (Sequence[str]): The layers among which a reader can switch.
    layer (str): The layer that is shown first.
    notes (Sequence[str]): What has to be said below, such as what was left out.
    RETURNS (str): HTML.
    """
    switch = ""
    if len(layers) > 1:
        options = "".join(
            f'<option value="{escape(name)}"{" selected" * (name == layer)}>{escape(name)}</option>'
            for name in layers
        )
        switch = f'<label class="elmo-switch">Layer <select class="elmo-layer">{options}</select></label>'
    elif layer:
        switch = f'<span class="elmo-switch">Layer <b>{escape(layer)}</b></span>'
    below = "".join(f'<p class="elmo-note">{escape(note)}</p>' for note in notes)
    return (
        f'<div class="elmo-figure" data-style="{escape(style)}">'
        f'<div class="elmo-head"><p class="elmo-title">{title}</p>{switch}</div>{body}{below}</div>'
    )


def make_panels(panels: Mapping[str, str], layer: str) -> str:
    """Make a panel for each layer, of which one is shown.

    panels (Mapping[str, str]): The HTML of each layer's panel.
    layer (str): The layer that is shown first.
    RETURNS (str): HTML.
    """
    return "".join(
        f'<div class="elmo-panel" data-layer="{escape(name)}"{" hidden" * (name != layer)}>{panel}</div>'
        for name, panel in panels.items()
    )


def make_scroller(content: str, *, label: str) -> str:
    """Put wide content into a box that scrolls, also by the keyboard.

    content (str): HTML.
    label (str): What it is, for screen readers.
    RETURNS (str): HTML.
    """
    return f'<div class="elmo-scroll" role="group" tabindex="0" aria-label="{escape(label)}">{content}</div>'


def make_fragment(figures: str) -> str:
    """Add style sheet and script to figures, for a notebook or a place in a page.

    figures (str): The HTML of figures.
    RETURNS (str): HTML that needs nothing else.
    """
    return f"<style>{read_asset('visual.css')}</style>{figures}<script>{read_asset('visual.js')}</script>"


def make_page(figures: str, *, title: str) -> str:
    """Make a whole page of figures, which needs no other file and no network.

    figures (str): The HTML of figures.
    title (str): The title of the page, plain text.
    RETURNS (str): An HTML document.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{read_asset('visual.css')}</style>\n</head>\n"
        f'<body class="elmo-page">\n<main>\n<h1>{escape(title)}</h1>\n{figures}\n</main>\n'
        f"<script>\n{read_asset('visual.js')}</script>\n</body>\n</html>\n"
    )
