"""What the catalogue says of a published model."""

from dataclasses import dataclass
from typing import Literal

from ...errors import ElmoFileNotFoundError, Errors
from ..releases import Release

# What the texts of a model's training are about. A protein or a receptor is a sentence of amino acids.
Domain = Literal[
    "general", "web", "news", "social media", "biomedical", "clinical", "chemistry", "code", "protein", "tcr"
]
# Why this package should read a model. No address could be contacted where the catalogue was written.
Evidence = Literal["layout", "description"]
EVIDENCE: dict[Evidence, str] = {
    "layout": "files of the same layout are read in the tests; its own files were never tried",
    "description": "expected from its description; neither its own files nor their layout were ever tried",
}


@dataclass(frozen=True, kw_only=True)
class Entry(Release):
    """A published model.

    language (str | None): The code of its language, as in `languages`; None if its texts are no language.
    domain (Domain): What it was trained on.
    maker (str): Who made it.
    licence (str | None): Its licence; None if the authors name none for the model.
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


def describe_terms(entry: Entry) -> str:
    """Describe the terms of a model that must be known before it is used.

    entry (Entry): The model.
    RETURNS (str): One line; "" if the licence asks for nothing that must be said before.
    """
    if not entry.is_non_commercial:
        return ""
    return f"{entry.name}: the licence is {entry.licence}, which does not allow commercial use"


def check_downloadable(entry: Entry) -> None:
    """Check that a model has files that a program can download.

    entry (Entry): The model.
    RAISES (FileNotFoundError): If people must download it from a page.
    """
    if not entry.files:
        terms = describe_terms(entry)
        names = {"name": entry.name, "page": entry.page, "terms": f" {terms}." if terms else ""}
        raise ElmoFileNotFoundError(Errors.EL321.format(**names))
