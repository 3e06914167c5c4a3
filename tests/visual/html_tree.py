"""What is in a figure, as a reader finds it."""

import json
from typing import Any
from xml.etree.ElementTree import Element

import html5lib


def parse(html: str | None) -> Element:
    """Parse a fragment or a page strictly: an error of the markup is an exception."""
    assert html is not None
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree: Element = parser.parse(html) if html.startswith("<!DOCTYPE") else parser.parseFragment(html)
    for one in tree.iter():
        if isinstance(one.tag, str):
            # Without the name space, which those of SVG have.
            one.tag = one.tag.rpartition("}")[2]
    return tree


def find_all(tree: Element, name: str) -> list[Element]:
    """Find the elements of a class."""
    return [one for one in tree.iter() if name in (one.get("class") or "").split()]


def text_of(element: Element) -> str:
    return "".join(element.itertext())


def texts_of(tree: Element, name: str) -> list[str]:
    """The text of each element of a class."""
    return [text_of(one) for one in find_all(tree, name)]


def read_data(tree: Element) -> dict[str, Any]:
    """The numbers that a figure has for its script."""
    [script] = find_all(tree, "elmo-data")
    data: dict[str, Any] = json.loads(text_of(script))
    return data


def read_cells(table: Element) -> list[list[str]]:
    """The rows of a table's body, without their heads."""
    return [[text_of(cell) for cell in row.iter("td")] for body in table.iter("tbody") for row in body.iter("tr")]
