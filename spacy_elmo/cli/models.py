"""`spacy-elmo models`: lists the models that can be named as a source, and shows what is known of one."""

import json
import sys
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..bilm.fields import Json
from ..errors import ElmoError, Errors, printable
from ..weights.catalogue.entry import UNKNOWN, Domain
from ..weights.catalogue.search import search
from .model_facts import (
    describe_model,
    describe_with_bibtex,
    find_model,
    format_cached,
    format_download,
    format_model,
    format_sizes,
    list_entries,
)
from .options import choices

# Characters per line if standard output is not a terminal: more than any row has.
_WIDTH = 400
# Narrower terminals get the codes of languages without their names; and still narrower ones a list.
_WIDE, _NARROW = 112, 80
_COLUMNS = ("name", "language", "domain", "LSTMs", "download", "licence", "cached")
# Columns that may need several lines on a narrow terminal.
_FOLDED = ("language", "licence")


def models_cli(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show all that is known of this model.", show_default=False),
    ] = None,
    lang: Annotated[
        str | None, typer.Option("--lang", metavar="LANGUAGE", help="Only models of this language: pl, or Polish.")
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", help="Only models of this domain.", **choices(get_args(Domain)))
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--search", metavar="WORDS", help="Only models with these words in what is known of them."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that can be named as a source: downloaded by `spacy-elmo download`, or on first use.

    No address could be contacted where this list was written: no model but the bundled one was tried with its own
    files. With NAME, it shows what each model's support is based on, its addresses, and the papers to cite.

    LSTMs: layers x memory cell / projection. download: its size, or by hand, from a page. licence: none if none is
    stated. ?: unknown.
    """
    if name is not None:
        if given := [option for option, value in (("lang", lang), ("domain", domain), ("search", text)) if value]:
            raise ElmoError(Errors.EL326.format(name=name, option=given[0]))
        facts = describe_with_bibtex(find_model(name))
        typer.echo(_to_json(facts) if as_json else printable(format_model(facts)))
        return
    rows = models(lang=lang, domain=domain, text=text)
    if as_json:
        typer.echo(_to_json(rows))
    else:
        console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        console.print(make_table(rows, width=console.width) if console.width >= _NARROW else make_list(rows))


def models(*, lang: str | None = None, domain: str | None = None, text: str | None = None) -> list[Json]:
    """Collect facts about models.

    lang (str | None): As for `catalogue.search.search`.
    domain (str | None): As for `catalogue.search.search`.
    text (str | None): As for `catalogue.search.search`.
    RETURNS (list[Json]): The facts, as of `describe_model`.
    RAISES (ElmoError): If there is no such model.
    """
    return [describe_model(entry) for entry in search(list_entries(), lang=lang, domain=domain, text=text)]


def _to_json(data: Json | list[Json]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def make_table(rows: list[Json], *, width: int) -> Table:
    """Make a table with one row per model.

    rows (list[Json]): The result of `models`.
    width (int): The width of the terminal.
    RETURNS (Table): The table.
    """
    is_wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 1) if is_wide else (0, 1, 0, 0))
    # Long cells are folded, never cut off.
    for title in _COLUMNS:
        shown = "lang" if title == "language" and not is_wide else title
        table.add_column(shown, overflow="fold", no_wrap=title not in _FOLDED)
    for row in rows:
        table.add_row(*map(Text, _cells(row, is_wide=is_wide)))
    return table


def make_list(rows: list[Json]) -> Table:
    """List the facts of each model below one another, for terminals that are too narrow for columns.

    rows (list[Json]): The result of `models`.
    RETURNS (Table): The list.
    """
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for title, cell in zip(_COLUMNS, _cells(row, is_wide=True)):
            table.add_row(title, Text(cell))
        table.add_row()
    return table


def _cells(row: Json, *, is_wide: bool) -> tuple[str, ...]:
    licence = "none" if row["licence"] is None else "?" if row["licence"] == UNKNOWN else row["licence"]
    code = row["language"] or "-"
    sizes = format_sizes(row)
    return (
        row["name"],
        f"{code} {row['language_name']}" if is_wide and row["language"] else code,
        row["domain"],
        sizes if is_wide else sizes.replace(" ", ""),
        format_download(row),
        licence,
        format_cached(row),
    )
