"""URLs: what of them may be shown and stored, and which are safe to fetch from."""

import ipaddress
import os
import re
from urllib.parse import parse_qsl, unquote, urlsplit

HTTP_VARIABLE = "SPACY_ELMO_ALLOW_HTTP"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,3}[^\s'\"<>]+")
# Of what has no scheme: a host or a user before a password, or the beginning of a query.
_NO_PATH = re.compile(r"^//|[^:]:.*@|\?.*=", re.DOTALL)
# Shorter ones would be found in innocent words.
_LEAST_SECRET = 4


def safe_url(url: str) -> str:
    """The URL without credentials, safe to show and store: no user, no password, no values of a query.

    A password may hold any character: whatever stands before the last @ goes, even if that is in a query. A path
    without anything of a URL stays as it is.
    """
    start, scheme, rest = _parts(url)
    if not scheme and not _NO_PATH.search(rest):
        return url
    # Some write these with their codes.
    path, *more = re.split("[?#;]|%3[fFbB]|%23", re.split("@|%40", rest)[-1], maxsplit=1)
    return f"{start}{scheme}{path}{'?...' if more else ''}"


def hide_secrets(text: str, url: str) -> str:
    """A message of a library, with neither the credentials of this URL nor those of others in it."""
    text = _URL.sub(lambda match: safe_url(match[0]), text)
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, "...")
    return text


def is_private(url: str) -> bool:
    """Whether nobody on the way can change what comes from there: https, this computer, or a file."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme in ("https", "file") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_http_allowed() -> bool:
    return os.environ.get(HTTP_VARIABLE, "").lower() not in ("", "0", "false")


def _parts(url: str) -> "tuple[str, str, str]":
    """What stands before the scheme, the scheme with its slashes, and the rest."""
    match = re.match(r"(\s*)([A-Za-z][A-Za-z0-9+.-]*:/+)?(.*)", url, re.DOTALL)
    return (match[1], match[2] or "", match[3]) if match else ("", "", url)


def _secrets(url: str) -> set[str]:
    _, _, rest = _parts(url)
    user = rest.rpartition("@")[0]
    # Libraries take a part of a password for the host, up to one of these.
    found: list[str] = [user, *user.split(":", 1), *re.split("[/?#@]", user), *re.split("[/?#@:]", user)]
    more = re.split("[?#;]", rest.rpartition("@")[2])[1:]
    found += [part for one in more for part in (one, *(value for _, value in parse_qsl(one)))]
    return {part for one in found for part in (one, unquote(one)) if len(part) >= _LEAST_SECRET}
