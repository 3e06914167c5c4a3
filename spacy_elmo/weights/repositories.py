"""Models by the name of their repository on Hugging Face: hf://owner/name[@revision][/folder]."""

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from ..bilm.options import OPTIONS_NAME
from ..errors import ElmoError, Errors
from .releases import File, Release
from .sniff import ARCHIVE_ENDINGS, WEIGHTS_ENDINGS, WEIGHTS_NAMES
from .urls import HUB, NO_CHECKSUMS, is_url, safe_url, split_checksums, suggest_url

HOST = "huggingface.co"
DEFAULT_REVISION = "main"
_HOSTS = (HOST, f"www.{HOST}", "hf.co")
# Pages of the site that are no owners of models.
_PAGES = ("blog", "collections", "datasets", "docs", "papers", "spaces")

# As Hugging Face has them: at most 96 characters, without two dots or hyphens in a row.
_NAME = r"(?!.*(?:--|\.\.))[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_REPOSITORY = re.compile(rf"{_NAME}/{_NAME}")
_PART = re.compile(r"(?!\.)[\w. -]{1,200}")
# Endings of files, which no repository has.
_FILES = (*ARCHIVE_ENDINGS, *WEIGHTS_ENDINGS, ".json")
# Characters of a folder's name in the cache; longer ones end with a checksum instead.
_MOST_OF_A_KEY = 120


@dataclass(frozen=True, kw_only=True)
class Repository(Release):
    """A model in a repository on Hugging Face, whose files must be asked for.

    repository (str): Its owner and name.
    revision (str): The branch, tag or commit.
    folder (str): The folder in it; "" for the top.
    """

    repository: str
    revision: str = DEFAULT_REVISION
    folder: str = ""

    @property
    def key(self) -> str:
        parts = [*self.repository.split("/"), self.revision, *filter(None, self.folder.split("/"))]
        key = "--".join(["hf", *(quote(part, safe=" ") for part in parts)])
        # With more hyphens, two repositories could have one key.
        is_clear = not any("--" in part or "-" in (part[0], part[-1]) for part in parts)
        if is_clear and len(key) <= _MOST_OF_A_KEY:
            return key
        digest = hashlib.sha256("\n".join([self.repository, self.revision, self.folder]).encode()).hexdigest()
        return f"{key[:80]}--{digest[:16]}"

    @property
    def plans(self) -> tuple[tuple[File, ...], ...]:
        # Where the repository cannot be asked: on a mirror.
        base = "/".join(filter(None, (self.repository, self.folder)))
        options = File(f"{base}/{OPTIONS_NAME}", ())
        return tuple((options, File(f"{base}/{name}", ())) for name in WEIGHTS_NAMES.values())


def find_repository(source: str) -> Repository | None:
    """Find the repository that a source names.

    source (str): hf://owner/name, with @revision and /folder if need be, or the address of its page.
    RETURNS (Repository | None): The repository; None if the source is nothing of this kind.
    RAISES (ElmoError): If its name is not valid, or it has a checksum, which no repository has.
    """
    if source.lower().startswith(HUB):
        return _parse(source[len(HUB) :], source)
    try:
        parts = urlsplit(source) if is_url(source) else None
    except ValueError:  # brackets around something that is not an address
        return None
    if parts is None or parts.hostname not in _HOSTS:
        return None
    path = [unquote(part) for part in parts.path.strip("/").split("/")]
    is_tree = len(path) > 3 and path[2] == "tree"
    if path[0] in _PAGES or not (len(path) == 2 or is_tree):
        # The address of a file, or of another page.
        return None
    if split_checksums(source)[1] != NO_CHECKSUMS:
        raise ElmoError(Errors.EL276.format(url=safe_url(source)))
    revision = f"@{quote(path[3], safe='')}" if is_tree else ""
    return _parse("/".join([f"{path[0]}/{path[1]}{revision}", *path[4:]]), source)


def find_short_name(source: str) -> Repository | None:
    """Find the repository that `owner/name` may mean.

    source (str): A source that is neither a path nor the name of a published model.
    RETURNS (Repository | None): The repository; None if the source cannot be one's name.
    """
    # A name with the ending of a file, or a host, is rather a path or an address.
    is_file = source.lower().endswith(_FILES) or suggest_url(source) is not None
    return _parse(source, source) if _REPOSITORY.fullmatch(source) and not is_file else None


def _parse(text: str, source: str) -> Repository:
    """Parse owner/name@revision/folder. A slash in a revision is written as %2F."""
    owner, _, rest = text.rstrip("/").partition("/")
    name, _, folder = rest.partition("/")
    name, sign, revision = name.partition("@")
    revision = unquote(revision) if sign else DEFAULT_REVISION
    parts = [unquote(part) for part in folder.split("/")] if folder else []
    is_valid = _REPOSITORY.fullmatch(f"{owner}/{name}")
    if not is_valid or not all(_PART.fullmatch(part) for part in (*revision.split("/"), *parts)):
        raise ElmoError(Errors.EL279.format(source=safe_url(source)))
    found = f"{HUB}{owner}/{name}" + (f"@{revision}" if sign else "") + "".join(f"/{part}" for part in parts)
    return Repository(
        name=found, files=(), repository=f"{owner}/{name}", revision=revision, folder="/".join(parts)
    )
