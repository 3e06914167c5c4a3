"""The published models and their addresses."""

import difflib
from pathlib import Path

from ...errors import ElmoError, Errors
from ..languages import LANGUAGES
from ..releases import File
from ..urls import safe_url
from .entry import Entry, check_downloadable, describe_terms

__all__ = [
    "ALIASES",
    "BUNDLED",
    "BUNDLED_FOLDER",
    "CATALOGUE",
    "Entry",
    "check_downloadable",
    "describe_terms",
    "find",
    "names",
    "resolve",
]

# The name of the model that comes with the package.
BUNDLED = "en_sm"
BUNDLED_FOLDER = Path(__file__).parent.parent.parent / "data" / BUNDLED

_ALLENNLP = (
    "https://allennlp.s3.amazonaws.com/models/elmo/",
    "https://s3-us-west-2.amazonaws.com/allennlp/models/elmo/",
)
# Published under http; the address that nobody on the network can change comes first.
_NLPL = ("https://vectors.nlpl.eu/repository/11/", "http://vectors.nlpl.eu/repository/11/")
_SPARKNLP = ("https://s3.amazonaws.com/auxdata.johnsnowlabs.com/",)
_TFHUB = ("https://storage.googleapis.com/tfhub-modules/",)


def _file(bases: tuple[str, ...], path: str, *, size: int | None = None, sha256: str | None = None) -> File:
    return File(path, tuple(base + path for base in bases), size, sha256)


def _allennlp(
    name: str,
    path: str,
    *,
    language: str = "en",
    dims: tuple[int, int] = (4096, 512),
    suffix: str = "",
    sizes: tuple[int | None, int | None] = (None, None),
    sha256: str | None = None,
) -> Entry:
    """Make the entry of a model of AllenNLP.

    suffix (str): The end of the weights' name.
    sizes (tuple[int | None, int | None]): Bytes of options and weights.
    sha256 (str | None): The checksum of the weights.
    """
    files = (
        _file(_ALLENNLP, f"{path}_options.json", size=sizes[0]),
        _file(_ALLENNLP, f"{path}_weights{suffix}.hdf5", size=sizes[1], sha256=sha256),
    )
    # AllenNLP's licence, Apache-2.0, covers its code and not the models (allenai/allennlp, issue 1462).
    return Entry(name=name, language=language, maker="AllenNLP", n_layers=2, dim=dims[0], projection_dim=dims[1], files=files)


def _large(name: str, file: File, *, language: str = "en", licence: str | None = None) -> Entry:
    """Make the entry of a model of the paper's size, published as an archive."""
    sizes = {"n_layers": 2, "dim": 4096, "projection_dim": 512}
    return Entry(name=name, language=language, maker="", licence=licence, files=(file,), **sizes)


def _tfhub(version: int) -> Entry:
    path = f"google/elmo/{version}.tar.gz"
    urls = (
        *(base + path for base in _TFHUB),
        f"https://tfhub.dev/google/elmo/{version}?tf-hub-format=compressed",
        f"https://www.kaggle.com/api/v1/models/google/elmo/tensorFlow1/elmo/{version}/download",
    )
    return _large(f"tfhub/elmo/{version}", File(path, urls))


_ENTRIES = [
    _allennlp(
        "original",
        "2x4096_512_2048cnn_2xhighway/elmo_2x4096_512_2048cnn_2xhighway",
        sizes=(336, 374_434_792),
    ),
    _allennlp("original_5.5B", "2x4096_512_2048cnn_2xhighway_5.5B/elmo_2x4096_512_2048cnn_2xhighway_5.5B"),
    _allennlp(
        "small",
        "2x1024_128_2048cnn_1xhighway/elmo_2x1024_128_2048cnn_1xhighway",
        dims=(1024, 128),
        sizes=(None, 54_402_456),
        sha256="747ba97abce8a5f446558369e10bb0f7931437a46867476fdd156f5d7f576229",
    ),
    _allennlp("medium", "2x2048_256_2048cnn_1xhighway/elmo_2x2048_256_2048cnn_1xhighway", dims=(2048, 256)),
    _allennlp("pt", "contributed/pt/elmo_pt", language="pt"),
    _allennlp(
        "pubmed",
        "contributed/pubmed/elmo_2x4096_512_2048cnn_2xhighway",
        suffix="_PubMed_only",
        sizes=(336, 374_434_792),
    ),
    _tfhub(3),
    _tfhub(2),
    # Its page gives no licence other than "open source".
    _large("sparknlp/elmo", _file(_SPARKNLP, "public/models/elmo_en_2.4.0_2.4_1580488815299.zip")),
    # The authors give the licence in HIT-SCIR/ELMoForManyLangs, issue 64.
    *(
        _large(f"manylangs/{code}", _file(_NLPL, f"{language.number}.zip"), language=code, licence="MIT")
        for code, language in LANGUAGES.items()
    ),
]

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}

# Names that users know from Spark NLP, NLU and Flair, and languages by their code alone.
ALIASES: dict[str, str] = {
    "elmo": "sparknlp/elmo",
    "en.embed.elmo": "sparknlp/elmo",
    "large": "original_5.5B",
    "5.5B": "original_5.5B",
    "portuguese": "pt",
    **{code: f"manylangs/{code}" for code in LANGUAGES if code not in CATALOGUE},
}


def names() -> list[str]:
    """List the names of all models.

    RETURNS (list[str]): The names, without aliases.
    """
    return [BUNDLED, *CATALOGUE]


# AllenNLP's users name a model by the addresses of its files, TF Hub's users by the address of its page.
_BY_URL = {url: entry for entry in _ENTRIES for file in entry.files for url in file.urls}
_BY_URL.update(
    (f"{scheme}://tfhub.dev/google/elmo/{n}", CATALOGUE[f"tfhub/elmo/{n}"])
    for scheme in ("https", "http")
    for n in (2, 3)
)


def resolve(name: str) -> Entry | None:
    """Look up a model.

    name (str): Its name, an alias, or the address of one of its files.
    RETURNS (Entry | None): The model; None if there is none.
    """
    return CATALOGUE.get(ALIASES.get(name, name)) or _BY_URL.get(name.rstrip("/"))


def find(name: str) -> Entry:
    """Look up a model that must exist.

    name (str): As for `resolve`.
    RETURNS (Entry): The model.
    RAISES (ElmoError): If there is none, with the closest names.
    """
    entry = resolve(name)
    if entry is None:
        close = difflib.get_close_matches(name, [*names(), *ALIASES], n=3, cutoff=0.5)
        closest = f"Closest: {', '.join(close)}." if close else "None has a similar name."
        raise ElmoError(Errors.EL140.format(name=safe_url(name), closest=closest))
    return entry
