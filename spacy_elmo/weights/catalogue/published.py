"""Published files by the places where they are: what the modules of the catalogue's entries are written with."""

from typing import TypedDict
from urllib.parse import urlsplit

from ...bilm.options import OPTIONS_NAME
from ..hosts import to_file_url
from ..releases import File
from ..sniff import WEIGHTS_NAMES
from ..urls import is_url


class Sizes(TypedDict):
    """The sizes of a model's LSTMs, as `Entry` has them."""

    n_layers: int
    dim: int
    projection_dim: int


# Of Peters et al. 2018, and of most models since.
LARGE: Sizes = {"n_layers": 2, "dim": 4096, "projection_dim": 512}

ALLENNLP_PAGE = "https://allennlp.org/elmo"
ALLENNLP = (
    "https://allennlp.s3.amazonaws.com/models/",
    "https://s3-us-west-2.amazonaws.com/allennlp/models/",
)
ALLENNLP_ELMO = tuple(f"{base}elmo/" for base in ALLENNLP)
ALLENNLP_2020 = ("https://storage.googleapis.com/allennlp-public-models/",)
# Published under http; the address that nobody on the network can change comes first.
NLPL_11 = ("https://vectors.nlpl.eu/repository/11/", "http://vectors.nlpl.eu/repository/11/")
NLPL_20 = ("https://vectors.nlpl.eu/repository/20/", "http://vectors.nlpl.eu/repository/20/")
DEEPPAVLOV = (
    "https://files.deeppavlov.ai/deeppavlov_data/",
    "http://files.deeppavlov.ai/deeppavlov_data/",
)


def publish(
    bases: tuple[str, ...],
    path: str,
    *,
    under: str = "",
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    is_optional: bool = False,
) -> File:
    """Describe a file that has the same path at several places.

    bases (tuple[str, ...]): The addresses of the places, each with a slash at its end.
    path (str): Its path at each.
    under (str): What its path on a mirror begins with, where `path` alone could be another file.
    size (int | None): As for `File`.
    sha256 (str | None): As for `File`.
    md5 (str | None): As for `File`.
    is_optional (bool): As for `File`.
    RETURNS (File): The file.
    """
    urls = tuple(base + path for base in bases)
    return File(under + path, urls, size=size, sha256=sha256, md5=md5, is_optional=is_optional)


def publish_pair(
    bases: tuple[str, ...],
    *,
    under: str,
    sizes: tuple[int | None, int | None] = (None, None),
    sha256: tuple[str | None, str | None] = (None, None),
    md5: tuple[str | None, str | None] = (None, None),
) -> tuple[File, File]:
    """Describe options.json and weights.hdf5 in one folder.

    bases (tuple[str, ...]): The addresses of the folder, each with a slash at its end.
    under (str): As for `publish`.
    sizes (tuple[int | None, int | None]): The bytes of each.
    sha256 (tuple[str | None, str | None]): The checksums of each.
    md5 (tuple[str | None, str | None]): The older checksums of each.
    RETURNS (tuple[File, File]): The files.
    """
    options, weights = (
        publish(bases, name, under=under, size=size, sha256=one, md5=other)
        for name, size, one, other in zip((OPTIONS_NAME, WEIGHTS_NAMES["hdf5"]), sizes, sha256, md5)
    )
    return options, weights


def publish_on_drive(number: str, path: str) -> File:
    """Describe a file on Google Drive.

    number (str): Its id there.
    path (str): Its path on a mirror, and its name in the cache: the drive shows none.
    RETURNS (File): The file.
    """
    page = f"https://drive.google.com/uc?export=download&id={number}"
    return File(path, (to_file_url(page), page))


def make_url_key(url: str) -> str:
    """Reduce an address to what must be equal for two addresses to be those of one file or page.

    url (str): The address.
    RETURNS (str): Its host, path and query, whatever the scheme and whether it ends with a slash; "" if it is no
        address, or if it has a user or a fragment, which a checksum would be.
    """
    try:
        parts = urlsplit(to_file_url(url)) if is_url(url) else None
    except ValueError:  # brackets around something that is not an address
        return ""
    if parts is None or parts.fragment or parts.username is not None:
        return ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}{query}"
