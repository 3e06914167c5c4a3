"""The pages that users read: README and docs, with their fenced blocks, headings and links."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser

from tests.data import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]


def page_name(page: Path) -> str:
    """The page's path in docs, such as `coming_from/nlu.md`; or README.md."""
    return page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).as_posix()


def read_examples(page: Path, evaluators: Mapping[str, Callable[[Example], None]]) -> Iterator[Example]:
    """The blocks of the languages that have an evaluator, in order, with one namespace."""
    parsers = [CodeBlockParser(language=language, evaluator=run) for language, run in evaluators.items()]
    yield from Document.parse(str(page), *parsers).examples()


def read_blocks(page: Path, language: str) -> list[str]:
    """The content of the blocks in one language, in order."""
    return [str(example.parsed) for example in read_examples(page, {language: lambda _: None})]


def read_languages(page: Path) -> set[str]:
    """The languages of all blocks; "" if a block does not say its own."""
    fences = re.findall(r"^ *```(.*)$", page.read_text("utf-8"), re.M)
    return set(fences[::2])


def find_anchors(page: Path) -> set[str]:
    """The names by which links reach the headings, as Markdown programs make them."""
    titles = re.findall(r"^#+ (.+)$", _without_blocks(page), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def find_links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", _without_blocks(page))


def _without_blocks(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
