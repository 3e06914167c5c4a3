"""`spacy-elmo models`: the models that can be named as a source."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ..bilm.options import OPTIONS_NAME
from ..weights.catalogue import ALIASES, BUNDLED, BUNDLED_FOLDER, CATALOGUE
from ..weights.fetch.model_cache import cached_bytes, is_cached
from ..weights.languages import LANGUAGES

# Characters of a line where there is no terminal: more than any row has.
_WIDTH = 400
# Of columns side by side, as terminals have at least by custom.
_NARROW = 80
_COLUMNS = ("name", "also", "language", "LSTMs", "download", "licence", "cached")


def models_cli(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models that can be named as a source: fetched by `spacy-elmo download`, or on first use.

    LSTMs: layers x memory cell / projection. also: other names. ?: not known.
    """
    rows = models()
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        console = Console(width=None if sys.stdout.isatty() else _WIDTH)
        console.print(as_table(rows) if console.width >= _NARROW else as_list(rows))


def models() -> list[dict[str, Any]]:
    """Facts of every model, as JSON data; None for what is not known.

    dim, projection_dim: of the LSTMs. cached_bytes: None if it is not in the cache.
    """
    lstm = json.loads((BUNDLED_FOLDER / OPTIONS_NAME).read_text("utf-8"))["lstm"]
    sizes = (lstm["n_layers"], lstm["dim"], lstm["projection_dim"])
    rows = [_row(BUNDLED, "en", "MIT", sizes, 0, _folder_bytes())]
    for entry in CATALOGUE.values():
        sizes = (entry.n_layers, entry.dim, entry.projection_dim)
        cached = cached_bytes(entry.name) if is_cached(entry.name) else None
        rows.append(_row(entry.name, entry.language, entry.licence, sizes, entry.n_bytes, cached))
    return rows


def _folder_bytes() -> int:
    return sum(path.stat().st_size for path in BUNDLED_FOLDER.iterdir())


def _row(name: str, language: str, licence: str | None, sizes: Any, download: Any, cached: Any) -> dict[str, Any]:
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


def as_table(rows: list[dict[str, Any]]) -> Table:
    """The same facts to be read."""
    table = Table(box=None, pad_edge=False)
    # Folded where a terminal is narrow, never cut off.
    for title in _COLUMNS:
        table.add_column(title, overflow="fold", no_wrap=title not in ("also", "language"))
    for row in rows:
        table.add_row(*map(Text, _cells(row)))
    return table


def as_list(rows: list[dict[str, Any]]) -> Table:
    """The same where a terminal is too narrow for columns: a model below the other."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for title, cell in zip(_COLUMNS, _cells(row)):
            if cell:
                table.add_row(title, Text(cell))
        table.add_row()
    return table


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
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
