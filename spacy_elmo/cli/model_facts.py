"""What the catalogue says of a model, for `spacy-elmo models` and `spacy-elmo info`."""

import json
from collections.abc import Iterator
from functools import cache

from rich.filesize import decimal

from ..bilm.fields import Json
from ..bilm.options import OPTIONS_NAME
from ..weights.catalogue import (
    BUNDLED,
    BUNDLED_FOLDER,
    CATALOGUE,
    Entry,
    describe_licence,
    describe_terms,
    find,
)
from ..weights.catalogue.citations import to_bibtex
from ..weights.catalogue.entry import EVIDENCE
from ..weights.catalogue.languages import LANGUAGES

# Characters of a fact's name, as in `spacy-elmo info`.
_INDENT = 26


@cache
def bundled_entry() -> Entry:
    """Describe the model that comes with the package as those of the catalogue are described.

    RETURNS (Entry): The description.
    """
    lstm = json.loads((BUNDLED_FOLDER / OPTIONS_NAME).read_text("utf-8"))["lstm"]
    return Entry(
        name=BUNDLED,
        files=(),
        language="en",
        maker="this package",
        licence="MIT",
        evidence="files",
        note="It comes with the package. Trained on novels, textbooks and speeches.",
        n_layers=lstm["n_layers"],
        dim=lstm["dim"],
        projection_dim=lstm["projection_dim"],
    )


def list_entries() -> list[Entry]:
    """List all models that can be named as a source.

    RETURNS (list[Entry]): The models, the bundled one first.
    """
    return [bundled_entry(), *CATALOGUE.values()]


def find_model(name: str) -> Entry:
    """Look up a model, which may be the bundled one.

    name (str): As for `catalogue.find`.
    RETURNS (Entry): The model.
    RAISES (ElmoError): If there is none, or it is one that cannot be read.
    """
    return bundled_entry() if name == BUNDLED else find(name)


def describe_model(entry: Entry) -> Json:
    """Describe a model as data.

    entry (Entry): The model.
    RETURNS (Json): The facts, as JSON data; None for unknown ones. `dim` and `projection_dim` are those of the
        LSTMs; `cached_bytes` is None if the model is not in the cache.
    """
    # Imported here because a download brings much along, and every command imports this module.
    from ..weights.fetch.model_cache import cached_bytes, is_cached

    is_bundled = entry.name == BUNDLED
    if is_bundled:
        cached: int | None = sum(path.stat().st_size for path in BUNDLED_FOLDER.iterdir())
    else:
        cached = cached_bytes(entry.name) if is_cached(entry.name) else None
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "language": entry.language,
        "language_name": entry.language and LANGUAGES[entry.language],
        "domain": entry.domain,
        "maker": entry.maker,
        "n_layers": entry.n_layers,
        "dim": entry.dim,
        "projection_dim": entry.projection_dim,
        "licence": entry.licence,
        "licence_from": entry.licence_from or None,
        "is_non_commercial": entry.is_non_commercial,
        "download_bytes": 0 if is_bundled else entry.n_bytes,
        "cached_bytes": cached,
        "is_by_hand": not is_bundled and not entry.files,
        "page": entry.page,
        "files": {file.name: list(file.urls) for file in entry.files},
        "note": entry.note or None,
        "evidence": EVIDENCE[entry.evidence],
        "citations": list(entry.citations),
    }


def describe_with_bibtex(entry: Entry) -> Json:
    """Describe a model as data, with the papers to cite.

    entry (Entry): The model.
    RETURNS (Json): As `describe_model`, with BibTeX; None if no paper is known.
    """
    return {**describe_model(entry), "bibtex": to_bibtex(entry.citations) or None}


def format_model(facts: Json) -> str:
    """Format what is known of a model as a readable text.

    facts (Json): The result of `describe_with_bibtex`.
    RETURNS (str): Its lines.
    """
    return "\n".join(f"{name:<{_INDENT}}{value}" for name, value in _iter_lines(facts))


def _iter_lines(facts: Json) -> Iterator[tuple[str, str]]:
    entry = find_model(facts["name"])
    yield "name", entry.name
    yield from (("also", alias) for alias in entry.aliases)
    yield "language", f"{entry.language} {facts['language_name']}" if entry.language else "none"
    yield "domain", entry.domain
    yield "made by", entry.maker
    yield "LSTMs", format_sizes(facts)
    yield "licence", describe_licence(entry)
    if terms := describe_terms(entry):
        yield "", terms.partition(": ")[2]
    if entry.note:
        yield "note", entry.note
    yield "evidence", facts["evidence"]
    yield "download", format_download(facts)
    yield "cached", format_cached(facts)
    if entry.page:
        yield "page", entry.page
    for file in entry.files:
        yield "file", file.name
        yield from (("", url) for url in file.urls)
    bibtex = facts["bibtex"] or "none known"
    yield "to cite", bibtex.replace("\n", f"\n{' ' * _INDENT}")


def format_sizes(facts: Json) -> str:
    """Format the sizes of a model's LSTMs.

    facts (Json): The result of `describe_model`.
    RETURNS (str): Layers x memory cell / projection; ? for what is not known.
    """
    sizes = ["?" if facts[name] is None else str(facts[name]) for name in ("n_layers", "dim", "projection_dim")]
    return "?" if set(sizes) == {"?"} else "{} x {}/{}".format(*sizes)


def format_download(facts: Json) -> str:
    """Format how large a download is.

    facts (Json): The result of `describe_model`.
    RETURNS (str): Its size, or how else the model is got.
    """
    if facts["name"] == BUNDLED:
        return "none"
    if facts["is_by_hand"]:
        return "by hand"
    return "?" if facts["download_bytes"] is None else decimal(facts["download_bytes"])


def format_cached(facts: Json) -> str:
    """Format whether a model is on this computer.

    facts (Json): The result of `describe_model`.
    RETURNS (str): Its size in the cache, or "no".
    """
    if facts["name"] == BUNDLED:
        return "bundled"
    return "no" if facts["cached_bytes"] is None else decimal(facts["cached_bytes"])
