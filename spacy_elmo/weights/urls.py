"""URLs without their secrets, and which of them are safe to download from."""

import ipaddress
import os
import re
from urllib.parse import parse_qsl, unquote, urlsplit

HTTP_VARIABLE = "SPACY_ELMO_ALLOW_HTTP"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,3}[^\s'\"<>]+")
# In a source without a scheme: signs of a host, of a user with a password, or of a query.
_NO_PATH = re.compile(r"^//|[^:]:.*@|\?.*=", re.DOTALL)
# Shorter secrets would occur inside ordinary words.
_LEAST_SECRET = 4


def safe_url(url: str) -> str:
    """Remove the user, the password and the values of a query from a URL, so that it is safe to show and store.

    A password may contain any character: everything before the last @ is removed, even if that is in a query.

    url (str): A URL, or a path.
    RETURNS (str): The URL without credentials; a path without any sign of a URL is unchanged.
    """
    start, scheme, rest = _parts(url)
    if not scheme and not _NO_PATH.search(rest):
        return url
    # These characters may be percent-encoded.
    path, *more = re.split("[?#;]|%3[fFbB]|%23", re.split("@|%40", rest)[-1], maxsplit=1)
    return f"{start}{scheme}{path}{'?...' if more else ''}"


def is_url(text: str) -> bool:
    """Check whether a source is a URL, and no path.

    text (str): The source.
    RETURNS (bool): Whether it begins with http:// or https://.
    """
    return text.lower().startswith(("http://", "https://"))


def hide_secrets(text: str, url: str) -> str:
    """Remove credentials from a library's message.

    text (str): The message.
    url (str): The URL that it is about; other URLs are recognised by their scheme.
    RETURNS (str): The message without credentials.
    """
    text = _URL.sub(lambda match: safe_url(match[0]), text)
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, "...")
    return text


def is_private(url: str) -> bool:
    """Check that nobody on the network can change what a URL sends: https, this computer, or a file.

    url (str): The URL.
    RETURNS (bool): Whether it is safe in this way.
    """
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
    """Check the environment for permission to download over http.

    RETURNS (bool): Whether the user allows it.
    """
    return os.environ.get(HTTP_VARIABLE, "").lower() not in ("", "0", "false")


def _parts(url: str) -> tuple[str, str, str]:
    """Split a URL into the blanks before the scheme, the scheme with its slashes, and the rest."""
    match = re.match(r"(\s*)([A-Za-z][A-Za-z0-9+.-]*:/+)?(.*)", url, re.DOTALL)
    return (match[1], match[2] or "", match[3]) if match else ("", "", url)


def _secrets(url: str) -> set[str]:
    _, _, rest = _parts(url)
    user = rest.rpartition("@")[0]
    # Libraries may mistake a part of a password for the host, up to one of these characters.
    found: list[str] = [user, *user.split(":", 1), *re.split("[/?#@]", user), *re.split("[/?#@:]", user)]
    more = re.split("[?#;]", rest.rpartition("@")[2])[1:]
    found += [part for one in more for part in (one, *(value for _, value in parse_qsl(one)))]
    return {part for one in found for part in (one, unquote(one)) if len(part) >= _LEAST_SECRET}
