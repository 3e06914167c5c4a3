"""From where a file is downloaded: its published addresses, or only the user's mirror; and whether at all."""

import os
from urllib.parse import quote, urlsplit

from ...bilm.options import OPTIONS_NAME
from ...errors import ElmoError, Errors
from ..addresses import make_mirror_path
from ..releases import File
from ..sniff import WEIGHTS_NAMES
from ..urls import HTTP_VARIABLE, is_http_allowed, is_private, safe_url
from .download import MIRROR_VARIABLE

OFFLINE_VARIABLE = "SPACY_ELMO_OFFLINE"
# Names that many models have: on a mirror, they are never looked for without their folder.
_COMMON = (OPTIONS_NAME, *WEIGHTS_NAMES.values())


def is_offline() -> bool:
    """Check the environment for a ban of downloads.

    RETURNS (bool): Whether the user forbids them.
    """
    return os.environ.get(OFFLINE_VARIABLE, "").lower() not in ("", "0", "false")


def find_mirror() -> str | None:
    """Find the user's mirror.

    RETURNS (str | None): Its URL, without a slash at the end; None if there is none.
    RAISES (ElmoError): If it is not a URL.
    """
    mirror = os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        return None
    if not _is_valid(mirror):
        raise ElmoError(Errors.EL144.format(variable=MIRROR_VARIABLE, got=safe_url(mirror)))
    return mirror.rstrip("/")


def list_urls(file: File) -> list[str]:
    """List the addresses of a file: the published ones, or only those of the user's mirror.

    file (File): The file.
    RETURNS (list[str]): The addresses, in the order in which they are tried.
    RAISES (ElmoError): If the mirror is not a URL.
    """
    mirror = find_mirror()
    if mirror is None:
        return list(file.urls)
    folder = "/".join(file.path.split("/")[-2:])
    names = [file.path, folder] if file.name in _COMMON else [file.path, file.name]
    # Under its address, it has the name that it has there.
    names += [make_mirror_path(url) for url in file.urls if not urlsplit(url).query]
    return list(dict.fromkeys(f"{mirror}/{quote(name)}" for name in names))


def select_urls(file: File, *, is_pinned: bool) -> tuple[list[str], str]:
    """Select the addresses of a file, and write a note about those that are left out.

    Without a checksum, http addresses are left out, because anybody on the network could change the file. A mirror
    is the user's own choice.

    file (File): The file.
    is_pinned (bool): Whether its checksum is known from an earlier download.
    RETURNS (tuple[list[str], str]): The addresses; and the note, "" if there is nothing to say.
    RAISES (ElmoError): As `list_urls`.
    """
    urls = list_urls(file)
    if find_mirror() or file.has_checksum or is_pinned or is_http_allowed():
        return urls, ""
    open_urls = [url for url in urls if not is_private(url)]
    reason = (
        "not tried: no checksum is known, and over http:// anybody on the way could change the file. To allow it"
    )
    note = "".join(f"\n  {safe_url(url)}: {reason}: {HTTP_VARIABLE}=1" for url in open_urls)
    return [url for url in urls if url not in open_urls], note


def _is_valid(mirror: str) -> bool:
    try:
        parts = urlsplit(mirror)
    except ValueError:  # brackets around something that is not an address
        return False
    if parts.scheme == "file":
        # With two slashes instead of three, the first folder would be a host.
        return parts.netloc in ("", "localhost") and parts.path.startswith("/")
    return parts.scheme in ("http", "https") and bool(parts.hostname)
