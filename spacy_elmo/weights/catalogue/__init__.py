"""The published models: what is known of them, and their addresses."""

import difflib
from functools import cache
from pathlib import Path

from ...errors import ElmoError, Errors
from ..urls import safe_url, suggest_url
from . import english, nlpl, other_languages, science, task_models
from .entry import Entry, check_downloadable, describe_licence, describe_terms
from .published import make_url_key
from .unsupported import check_supported

__all__ = [
    "ALIASES",
    "BUNDLED",
    "BUNDLED_FOLDER",
    "CATALOGUE",
    "Entry",
    "check_downloadable",
    "check_supported",
    "describe_licence",
    "describe_terms",
    "find",
    "names",
    "resolve",
]

# The name of the model that comes with the package.
BUNDLED = "en_sm"
BUNDLED_FOLDER = Path(__file__).parent.parent.parent / "data" / BUNDLED

_ENTRIES = [
    science.SEQVEC,
    *english.ENTRIES,
    *other_languages.ENTRIES,
    *science.ENTRIES,
    *nlpl.ENTRIES,
    *task_models.ENTRIES,
]

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}

# Names that users know from other programs, and languages by their code alone.
ALIASES: dict[str, str] = {alias: entry.name for entry in _ENTRIES for alias in entry.aliases}

_BY_NAME = {name.lower(): target for name, target in {**ALIASES, **{name: name for name in CATALOGUE}}.items()}


@cache
def _index_urls() -> dict[str, Entry]:
    """Find the model of each address; those of several models, such as of a common vocabulary, have none."""
    owners: dict[str, list[Entry]] = {}
    pages: dict[str, list[Entry]] = {}
    for entry in _ENTRIES:
        urls = [url for file in entry.files for url in file.urls]
        # A folder of a pair stands for both.
        folders = [url.rpartition("/")[0] for url in urls if len(entry.files) == 2 and "?" not in url]
        for key in {make_url_key(url) for url in (*entry.addresses, *urls, *folders)}:
            owners.setdefault(key, []).append(entry)
        if entry.page is not None:
            pages.setdefault(make_url_key(entry.page), []).append(entry)
    return {key: entries[0] for key, entries in {**pages, **owners}.items() if len(entries) == 1}


def names() -> list[str]:
    """List the names of all models.

    RETURNS (list[str]): The names, without aliases.
    """
    return [BUNDLED, *CATALOGUE]


def resolve(name: str) -> Entry | None:
    """Look up a model.

    name (str): Its name, an alias, or the address of one of its files or of its page.
    RETURNS (Entry | None): The model; None if there is none.
    """
    target = _BY_NAME.get(name.lower(), name)
    if target in CATALOGUE:
        return CATALOGUE[target]
    return _index_urls().get(make_url_key(name))


def find(name: str) -> Entry:
    """Look up a model that must exist.

    name (str): As for `resolve`.
    RETURNS (Entry): The model.
    RAISES (ElmoError): If there is none, with the closest names; or if it is one that cannot be read.
    """
    entry = resolve(name)
    if entry is None:
        check_supported(name)
        close = difflib.get_close_matches(name, [*names(), *ALIASES], n=3, cutoff=0.5)
        closest = f"Closest: {', '.join(close)}." if close else "None has a similar name."
        if (url := suggest_url(name)) is not None:
            closest = f"If it is an address, write '{safe_url(url)}'."
        raise ElmoError(Errors.EL140.format(name=safe_url(name), closest=closest))
    return entry
