"""What the catalogue says of a published model."""

from dataclasses import dataclass
from typing import Literal

from ...errors import ElmoFileNotFoundError, Errors
from ..releases import Release

# What the texts of a model's training are. `tcr` is T-cell receptors, `social` social media.
Domain = Literal[
    "general", "web", "news", "social", "biomedical", "clinical", "chemistry", "code", "protein", "tcr"
]
# Why this package should read a model. No address could be contacted where the catalogue was written.
Evidence = Literal["files", "layout", "description"]
EVIDENCE: dict[Evidence, str] = {
    "files": "its own files are read in the tests",
    "layout": "files of the same layout are read in the tests; its own files were never tried",
    "description": "expected from its description; neither its own files nor their layout were ever tried",
}


# The licence of a model whose makers' pages were not at hand.
UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Entry(Release):
    """A published model.

    language (str | None): The code of its language, as in `languages`; None if its texts are no language.
    domain (Domain): What it was trained on.
    maker (str): Who made it.
    licence (str | None): Its licence; None if the authors name none for the model; UNKNOWN if its pages were not
        at hand.
    licence_from (str): Where the licence is stated.
    aliases (tuple[str, ...]): Other names.
    addresses (tuple[str, ...]): URLs by which it is known, other than those of its files.
    page (str | None): Where people find it. If there are no `files`, it is downloaded there by hand.
    citations (tuple[str, ...]): The keys of the papers to cite, as in `citations`.
    evidence (Evidence): Why this package should read it.
    note (str): What else users must know; "" for nothing.
    n_layers (int | None): The number of LSTM layers, as in options.json; None if it is not known.
    dim (int | None): The width of the LSTM cells.
    projection_dim (int | None): The width of the projection.
    """

    language: str | None
    domain: Domain = "general"
    maker: str = ""
    licence: str | None = None
    licence_from: str = ""
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    page: str | None = None
    citations: tuple[str, ...] = ()
    evidence: Evidence = "layout"
    note: str = ""
    n_layers: int | None = None
    dim: int | None = None
    projection_dim: int | None = None

    @property
    def is_non_commercial(self) -> bool:
        """Check whether the licence forbids commercial use.

        RETURNS (bool): Whether it does.
        """
        return "NC" in (self.licence or "").replace("-", " ").split()


def describe_licence(entry: Entry) -> str:
    """Describe the licence of a model.

    entry (Entry): The model.
    RETURNS (str): The licence, and where it is stated; or that none is.
    """
    if entry.licence is None:
        return "none stated"
    if entry.licence == UNKNOWN:
        return "unknown: see its page"
    return f"{entry.licence} (stated in {entry.licence_from})" if entry.licence_from else entry.licence


def describe_terms(entry: Entry) -> str:
    """Describe the terms of a model that must be known before it is downloaded.

    entry (Entry): The model.
    RETURNS (str): One line; "" if the licence has nothing that must be said before.
    """
    if not entry.is_non_commercial:
        return ""
    return f"{entry.name}: its licence, {entry.licence}, does not allow commercial use"


def check_downloadable(entry: Entry) -> None:
    """Check that a model has files with addresses.

    entry (Entry): The model.
    RAISES (FileNotFoundError): If people must download it from a page, by hand.
    """
    if not entry.files:
        parts = [entry.note, f"{terms}." if (terms := describe_terms(entry)) else ""]
        more = "".join(f" {part}" for part in parts if part)
        raise ElmoFileNotFoundError(Errors.EL321.format(name=entry.name, page=entry.page, more=more))
