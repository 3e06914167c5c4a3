"""URLs without their secrets, and which of them are safe to download from."""

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ElmoError, Errors

HTTP_VARIABLE = "SPACY_ELMO_ALLOW_HTTP"
# The scheme of repositories on Hugging Face.
HUB = "hf://"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,3}[^\s'\"<>]+")
# In a source without a scheme: signs of a host, of a user with a password, or of a query.
_NO_PATH = re.compile(r"^//|[^:]:.*@|\?.*=", re.DOTALL)
# A host in a source without a scheme: a name with dots, or an address.
_HOST = re.compile(r"(?:localhost|(?:[\w-]+\.)+[a-z]{2,}|\d+(?:\.\d+){3})(?::\d+)?", re.IGNORECASE)
# Checksums in the fragment of a URL, as pip has them, and their numbers of hexadecimal digits.
_DIGITS = {"sha256": 64, "md5": 32}
# Shorter secrets would occur inside ordinary words.
_LEAST_SECRET = 4


class Checksums(NamedTuple):
    """The checksums of a file.

    sha256 (str | None): None if it is not known.
    md5 (str | None): None if it is not known.
    """

    sha256: str | None = None
    md5: str | None = None


NO_CHECKSUMS = Checksums()


def safe_url(url: str) -> str:
    """Remove the user, the password and the values of a query from a URL, so that it is safe to show and store.

    A password may contain any character: everything before the last @ is removed, even if that is in a query.

    url (str): A URL, or a path.
    RETURNS (str): The URL without credentials; a path without any sign of a URL is unchanged.
    """
    start, scheme, rest = _parts(url)
    if not scheme and not _NO_PATH.search(rest):
        return url
    # After the name of a repository, an @ stands before its revision.
    is_hub = scheme.lower() == HUB and re.match(r"[\w.-]+/[^/@:%]*@[^@:%]*$", rest) is not None
    # These characters may be percent-encoded.
    path, *more = re.split("[?#;]|%3[fFbB]|%23", rest if is_hub else re.split("@|%40", rest)[-1], maxsplit=1)
    return f"{start}{scheme}{path}{'?...' if more else ''}"


def is_url(text: str) -> bool:
    """Check whether a source is a URL, and no path.

    text (str): The source.
    RETURNS (bool): Whether it begins with http:// or https://.
    """
    return text.lower().startswith(("http://", "https://"))


def is_remote(text: str) -> bool:
    """Check whether a source has the form of an address, of any kind but file://.

    text (str): The source.
    RETURNS (bool): Whether it begins with a scheme and two slashes.
    """
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None and not is_file_url(text)


def suggest_url(text: str) -> str | None:
    """Guess the address that a user meant by a source that is none: without its scheme, or with blanks around it.

    text (str): A source that was not found.
    RETURNS (str | None): The address; None if the source does not resemble one.
    """
    plain = text.strip()
    match = re.match(r"(https?|hf):/*(?=[^/])", plain, re.IGNORECASE)
    if match:
        found = f"{match[1].lower()}://{plain[match.end() :]}"
    elif _HOST.fullmatch(plain.lstrip("/").partition("/")[0].rpartition("@")[2]) and "/" in plain.lstrip("/"):
        found = f"https://{plain.lstrip('/')}"
    else:
        return None
    return None if found == text else found


def is_file_url(text: str) -> bool:
    """Check whether a source is a path in the form of an address.

    text (str): The source.
    RETURNS (bool): Whether it begins with file://.
    """
    return text.lower().startswith("file://")


def split_checksums(url: str) -> tuple[str, Checksums]:
    """Split the checksums of a file from its URL: `https://host/file#sha256=...` or `#md5=...`, or both with a &.

    url (str): The URL.
    RETURNS (tuple[str, Checksums]): The URL without its fragment, and the checksums.
    RAISES (ElmoError): If a checksum is of another kind, or not complete.
    """
    plain, _, fragment = url.partition("#")
    found: dict[str, str] = {}
    for part in fragment.split("&"):
        name, sign, value = part.partition("=")
        # Other fragments are places in pages.
        if not sign:
            continue
        digits = _DIGITS.get(name.lower())
        if digits is None or not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value):
            # Anything else may be a part of a password with a #.
            got = part[:100] if re.fullmatch(r"\w*", value) and digits is not None else "#..."
            raise ElmoError(Errors.EL274.format(url=safe_url(url), got=got))
        found[name.lower()] = value.lower()
    return plain, Checksums(**found)


def unquote_path(url: str) -> str:
    """Get the path of a URL, with its characters as they are.

    url (str): The URL, whose % may be meant as it is.
    RETURNS (str): The path.
    """
    return unquote(urlsplit(url).path)


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
    return parts.scheme in ("https", "file") or is_loopback(host)


def is_loopback(host: str) -> bool:
    """Check whether a host is this computer.

    host (str): Its name or address.
    RETURNS (bool): Whether it is.
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
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
