"""A hook of mkdocs: below each heading of a code its message, from `spacy_elmo.errors`; and links to all codes."""

import re
import textwrap
from pathlib import Path
from typing import Protocol

from spacy_elmo.errors import Errors, Warnings

FOLDER = "errors/"

# Where the index of the pages gets a link to each code.
MARK = "<!-- list of codes -->"

_HEADING = re.compile(r"^## ([EW]L\d{3})$", re.MULTILINE)
# Of the lines of a message, so that no page has to be moved sideways.
_COLUMNS = 78


class _File(Protocol):
    @property
    def src_uri(self) -> str: ...

    @property
    def abs_src_path(self) -> str: ...


class _Page(Protocol):
    """What is used of mkdocs' `Page`: its file, with a path in the folder of the documentation."""

    @property
    def file(self) -> _File: ...


def find_message(code: str) -> str | None:
    """Find a message.

    code (str): Its code, such as "EL031".
    RETURNS (str | None): Its text with placeholders and without the code; None if there is no such message.
    """
    message = getattr(Warnings if code.startswith("W") else Errors, code, None)
    return None if message is None else str(message).removeprefix(f"[{code}] ")


def insert_messages(markdown: str) -> str:
    """Insert messages below the headings of their codes.

    markdown (str): The text of a page.
    RETURNS (str): The text with an indented block after each heading whose code has a message.
    """

    def add(match: "re.Match[str]") -> str:
        message = find_message(match[1])
        if message is None:
            return match[0]
        lines = textwrap.wrap(message, _COLUMNS, break_long_words=False, break_on_hyphens=False)
        return "\n".join([match[0], "", *(f"    {line}" for line in lines)])

    return _HEADING.sub(add, markdown)


def link_codes(folder: Path) -> str:
    """Link every code of the pages in a folder.

    folder (Path): The folder of error codes.
    RETURNS (str): Links, in the order of the codes.
    """
    pages = {code: page.name for page in folder.glob("*.md") for code in _HEADING.findall(page.read_text("utf-8"))}
    return " ".join(f"[{code}]({pages[code]}#{code.lower()})" for code in sorted(pages))


def on_page_markdown(markdown: str, *, page: _Page, **_: object) -> str:
    """Insert messages into the pages of error codes. mkdocs calls it for each page.

    markdown (str): The text of the page.
    page (Page): The page.
    RETURNS (str): The text to use.
    """
    if not page.file.src_uri.startswith(FOLDER):
        return markdown
    if MARK in markdown:
        markdown = markdown.replace(MARK, link_codes(Path(page.file.abs_src_path).parent))
    return insert_messages(markdown)
