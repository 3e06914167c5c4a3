"""A hook of mkdocs: the text of each message, from `spacy_elmo.errors`, below the heading of its code."""

import re
import textwrap
from typing import Protocol

from spacy_elmo.errors import Errors, Warnings

FOLDER = "errors/"

_HEADING = re.compile(r"^## ([EW]L\d{3})$", re.MULTILINE)
# Of the lines of a message, so that no page has to be moved sideways.
_COLUMNS = 78


class _File(Protocol):
    @property
    def src_uri(self) -> str: ...


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


def on_page_markdown(markdown: str, *, page: _Page, **_: object) -> str:
    """Insert messages into the pages of error codes. mkdocs calls it for each page.

    markdown (str): The text of the page.
    page (Page): The page.
    RETURNS (str): The text to use.
    """
    return insert_messages(markdown) if page.file.src_uri.startswith(FOLDER) else markdown
