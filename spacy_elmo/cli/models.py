"""`spacy-elmo models`: lists the models that can be named as a source."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ..bilm.fields import Json
from ..bilm.options import OPTIONS_NAME
from ..weights.catalogue import ALIASES, BUNDLED, BUNDLED_FOLDER, CATALOGUE
from ..weights.fetch.model_cache import cached_bytes, is_cached
from ..weights.languages import LANGUAGES

# Characters per line if standard output is not a terminal: more than any row has.
_WIDTH = 400
# Narrower terminals get a list instead of columns.
_NARROW = 80
_COLUMNS = ("name", "also", "language", "LSTMs", "download", "licence", "cached")


def models_cli(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models that can be named as a source: downloaded by `spacy-elmo download`, or on first use.

    LSTMs: layers x memory cell / projection. also: other names. ?: unknown.
    """
    rows = models()
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        console.print(make_table(rows) if console.width >= _NARROW else make_list(rows))


def models() -> list[Json]:
    """Collect facts about every model.

    RETURNS (list[Json]): The facts, as JSON data; None for unknown ones. `dim` and `projection_dim` are those of
        the LSTMs; `cached_bytes` is None if the model is not in the cache.
    """
    lstm = json.loads((BUNDLED_FOLDER / OPTIONS_NAME).read_text("utf-8"))["lstm"]
    sizes = (lstm["n_layers"], lstm["dim"], lstm["projection_dim"])
    rows = [_describe(BUNDLED, "en", "MIT", sizes, 0, _folder_bytes())]
    for entry in CATALOGUE.values():
        sizes = (entry.n_layers, entry.dim, entry.projection_dim)
        cached = cached_bytes(entry.name) if is_cached(entry.name) else None
        rows.append(_describe(entry.name, entry.language, entry.licence, sizes, entry.n_bytes, cached))
    return rows


def _folder_bytes() -> int:
    return sum(path.stat().st_size for path in BUNDLED_FOLDER.iterdir())


def _describe(
    name: str,
    language: str,
    licence: str | None,
    sizes: tuple[int | None, int | None, int | None],
    download: int | None,
    cached: int | None,
) -> Json:
    n_layers, dim, projection_dim = sizes
    return {
        "name": name,
        "aliases": [alias for alias, target in ALIASES.items() if target == name],
        "language": language,
        "language_name": LANGUAGES[language].english,
        "n_layers": n_layers,
        "dim": dim,
        "projection_dim": projection_dim,
        "licence": licence,
        "download_bytes": download,
        "cached_bytes": cached,
    }


def make_table(rows: list[Json]) -> Table:
    """Make a table with one row per model.

    rows (list[Json]): The result of `models`.
    RETURNS (Table): The table.
    """
    table = Table(box=None, pad_edge=False)
    # Long cells are folded, never cut off.
    for title in _COLUMNS:
        table.add_column(title, overflow="fold", no_wrap=title not in ("also", "language"))
    for row in rows:
        table.add_row(*map(Text, _cells(row)))
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
        for title, cell in zip(_COLUMNS, _cells(row)):
            if cell:
                table.add_row(title, Text(cell))
        table.add_row()
    return table


def _cells(row: Json) -> tuple[str, ...]:
    return (
        row["name"],
        ", ".join(row["aliases"]),
        f"{row['language']} {row['language_name']}",
        f"{row['n_layers']} x {row['dim']}/{row['projection_dim']}",
        "none" if row["name"] == BUNDLED else _size(row["download_bytes"], unknown="?"),
        row["licence"] or "?",
        "bundled" if row["name"] == BUNDLED else _size(row["cached_bytes"], unknown="no"),
    )


def _size(n_bytes: int | None, *, unknown: str) -> str:
    return unknown if n_bytes is None else decimal(n_bytes)
