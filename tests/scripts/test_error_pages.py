"""The pages of docs/errors: every code of every message, once, in order, with its cause and its remedy."""

import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.site.error_messages import MARK, find_message, insert_messages, link_codes, on_page_markdown
from spacy_elmo.errors import (
    AddressErrors,
    CatalogueErrors,
    CommandErrors,
    CompatErrors,
    DownloadErrors,
    Errors,
    FormatErrors,
    FrameErrors,
    ModelErrors,
    PipelineErrors,
    PretrainingErrors,
    ServerErrors,
    SparkErrors,
    TableErrors,
    TorchErrors,
    VisualErrors,
    Warnings,
)

FOLDER = Path(__file__).parents[2] / "docs" / "errors"
# The tables of messages whose codes each page has.
PAGES: dict[str, tuple[type, ...]] = {
    "models.md": (ModelErrors,),
    "formats.md": (FormatErrors,),
    "downloads.md": (DownloadErrors, AddressErrors, CatalogueErrors),
    "pipelines.md": (PipelineErrors,),
    "commands.md": (CommandErrors,),
    "pretraining.md": (PretrainingErrors,),
    "torch.md": (TorchErrors, CompatErrors),
    "tables.md": (TableErrors, FrameErrors, SparkErrors, VisualErrors, ServerErrors),
    "warnings.md": (Warnings,),
}
CODE = re.compile(r"[EW]L\d{3}")
SECTION = re.compile(r"\*\*Cause\.\*\* (?P<cause>\S.*?)\n\n\*\*Remedy\.\*\* (?P<remedy>\S.*)", re.DOTALL)


def list_codes(*tables: type) -> list[str]:
    return sorted(code for table in tables for code in dir(table) if CODE.fullmatch(code))


def split_page(name: str) -> list[tuple[str, str]]:
    """RETURNS (list[tuple[str, str]]): The headings of a page's sections, and their texts."""
    _, *sections = re.split(r"^## ", (FOLDER / name).read_text("utf-8"), flags=re.MULTILINE)
    return [(heading, text.strip()) for heading, _, text in (section.partition("\n") for section in sections)]


def test_pages_have_all_tables() -> None:
    tables = [table for page in PAGES.values() for table in page]
    assert Counter(list_codes(*tables)) == Counter(list_codes(Errors, Warnings))
    assert {path.name for path in FOLDER.glob("*.md")} == {*PAGES, "index.md"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_the_codes_of_its_tables(name: str) -> None:
    headings = [heading for heading, _ in split_page(name)]
    # In order, each once, and nothing else.
    assert headings == list_codes(*PAGES[name])


@pytest.mark.parametrize("name", PAGES)
def test_each_code_has_a_cause_and_a_remedy(name: str) -> None:
    assert [code for code, text in split_page(name) if not SECTION.fullmatch(text)] == []


@pytest.mark.parametrize("name", [*PAGES, "index.md"])
def test_codes_that_a_page_mentions_exist(name: str) -> None:
    mentioned = CODE.findall((FOLDER / name).read_text("utf-8"))
    assert {code for code in mentioned if find_message(code) is None} == set()


def test_the_index_has_the_ends_of_each_page() -> None:
    text = (FOLDER / "index.md").read_text("utf-8")
    for name, tables in PAGES.items():
        codes = list_codes(*tables)
        row = next(line for line in text.splitlines() if f"]({name})" in line)
        assert CODE.findall(row) == [codes[0], codes[-1]]


def test_a_message_is_inserted_with_its_placeholders() -> None:
    text = insert_messages("# Models\n\n## EL031\n\n**Cause.** None.\n")
    heading, message, cause = text.removeprefix("# Models\n\n").split("\n\n")
    assert heading == "## EL031"
    assert all(line.startswith("    ") and len(line) < 100 for line in message.split("\n"))
    assert "[EL031] " + " ".join(message.split()) == Errors.EL031
    assert "{n_layers}" in message
    assert cause == "**Cause.** None.\n"


def test_a_warning_is_inserted() -> None:
    text = insert_messages("## WL026\n\n**Cause.** None.\n")
    assert "[WL026] " + " ".join(text.split("\n\n")[1].split()) == Warnings.WL026


@pytest.mark.parametrize("markdown", ["## EL999\n", "### EL031\n", "## EL031 and more\n", "EL031\n"])
def test_other_lines_stay(markdown: str) -> None:
    assert insert_messages(markdown) == markdown


def test_other_pages_stay() -> None:
    def run(uri: str) -> str:
        page = SimpleNamespace(file=SimpleNamespace(src_uri=uri, abs_src_path=str(FOLDER / "index.md")))
        return on_page_markdown("## EL031\n", page=page, config={}, files=[])

    assert run("troubleshooting.md") == "## EL031\n"
    assert "does not exist" in run("errors/models.md")


def test_the_index_links_every_code() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="errors/index.md", abs_src_path=str(FOLDER / "index.md")))
    text = on_page_markdown((FOLDER / "index.md").read_text("utf-8"), page=page, config={}, files=[])
    assert MARK not in text
    assert text.rstrip().endswith(link_codes(FOLDER))
    links = re.findall(r"\[([EW]L\d{3})\]\((\w+\.md)#(\w+)\)", link_codes(FOLDER))
    assert [code for code, _, _ in links] == sorted([*list_codes(Errors), *list_codes(Warnings)])
    assert all(code in list_codes(*PAGES[name]) and anchor == code.lower() for code, name, anchor in links)
