"""Requests to web servers: who asks, how long it may take, and what the answers are instead of a file."""

import re
import threading
import time
from collections.abc import Mapping
from queue import Empty, Queue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ...bilm.fields import show
from ...errors import ReasonError

if TYPE_CHECKING:
    import requests

# Seconds: to be connected, and without a byte until a server counts as stalled.
CONNECT_TIMEOUT = 15.0
READ_TIMEOUT = 30.0
# Seconds for the head of an answer, with all that it leads to.
HEAD_TIMEOUT = 120.0
# Bytes of a page that are read.
MOST_OF_A_PAGE = 1 << 20
_PIECE = 1 << 14

_CERTIFICATES = "REQUESTS_CA_BUNDLE=FILE"

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class BrokenError(ReasonError):
    """This attempt failed; another one may not."""


class WrongError(BrokenError):
    """The content is not that of the file: none of it can be kept."""


class RefusedError(ReasonError):
    """This URL does not give the file."""


class MissingError(RefusedError):
    """There is no such file at this URL."""


def request(url: str, headers: Mapping[str, str] = NO_HEADERS) -> "requests.Response":
    """Request an address, and get the head of the answer within a time.

    url (str): An address with http(s)://.
    headers (Mapping[str, str]): Headers of the request, to which the name of this package is added: some hosts
        refuse the default name of Python's libraries.
    RETURNS (requests.Response): The answer, whose content is not read yet; to be closed.
    RAISES (BrokenError): If there is no answer, or it takes too long.
    RAISES (RefusedError): If the address is not valid.
    """
    # Imported for a download only: the command line, which imports this, is to start fast.
    import requests

    answers: Queue[requests.Response | Exception] = Queue()
    is_late = threading.Event()

    def ask() -> None:
        try:
            timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
            hooks = {"response": _drop_body}
            own = {**_introduce(), **headers}
            login: Any = _find_login(url)
            response = requests.get(url, headers=own, auth=login, stream=True, timeout=timeout, hooks=hooks)
        except Exception as error:  # handed over
            answers.put(error)
        else:
            answers.put(response)
            if is_late.is_set():
                response.close()

    threading.Thread(target=ask, name="spacy-elmo-download", daemon=True).start()
    try:
        answer = answers.get(timeout=HEAD_TIMEOUT)
    except Empty:
        is_late.set()
        raise BrokenError(f"no answer within {HEAD_TIMEOUT:g} seconds") from None
    if isinstance(answer, (requests.exceptions.RequestException, ValueError)):
        # Those about the URL itself are ValueErrors: a scheme or a host that is not valid.
        kind, cause = RefusedError if isinstance(answer, ValueError) else BrokenError, find_cause(answer)
        if "CERTIFICATE_VERIFY_FAILED" in cause:
            # It will be the same again.
            kind, cause = RefusedError, f"{cause}. If your network has its own certificates: {_CERTIFICATES}"
        raise kind(cause) from answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def describe_status(status: int) -> str:
    """Describe the status of an answer, for messages.

    status (int): The number.
    RETURNS (str): The number and its meaning.
    """
    # Imported here because it brings ssl along.
    from http.client import responses

    meaning = responses.get(status)
    # Who has a password does not see from the number that it is asked for.
    how = ": the server asks for a login, which is given in the address before the host" if status == 401 else ""
    return f"HTTP status {status}" + (f" ({meaning})" if meaning else "") + how


def is_page(headers: Mapping[str, str]) -> bool:
    """Check whether an answer is a web page.

    headers (Mapping[str, str]): The headers of the answer.
    RETURNS (bool): Whether it is.
    """
    return headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml"))


def read_page(response: "requests.Response") -> str:
    """Read a web page, up to a size and within a time.

    response (requests.Response): The answer.
    RETURNS (str): Its start; "" if it cannot be read.
    """
    end = time.monotonic() + READ_TIMEOUT
    page = b""
    # What has come, without waiting for more: else a slow server would hold up the time.
    read = getattr(response.raw, "read1", response.raw.read)
    try:
        while len(page) < MOST_OF_A_PAGE and time.monotonic() < end:
            # At most so many bytes after unpacking, too.
            piece = read(_PIECE, decode_content=True)
            if not piece:
                break
            page += piece
    except Exception:  # a page is a hint only
        return ""
    return page.decode("utf-8", "replace")


def read_title(response: "requests.Response") -> str:
    """Read the title of a web page, which often says what is wrong.

    response (requests.Response): The answer.
    RETURNS (str): The title in brackets, for a message; "" if there is none.
    """
    from html import unescape

    title = re.search(r"<title[^>]{0,200}>([^<]{1,500})", read_page(response), re.IGNORECASE)
    return f" ('{show(' '.join(unescape(title[1]).split()))}')" if title else ""


def find_cause(error: BaseException) -> str:
    """Describe what is at the bottom of an error: what is on top names pools and retries that there are not.

    error (BaseException): The error.
    RETURNS (str): The message of its first cause.
    """
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _find_login(url: str) -> tuple[bytes, bytes] | None:
    """Find user and password in an address, in UTF-8: requests takes them for Latin-1, and fails on others."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return unquote(parts.username).encode(), unquote(parts.password or "").encode()


def _drop_body(response: "requests.Response", **_: object) -> None:
    """Close what comes with a redirect: requests would read all of it, however much that is."""
    if response.is_redirect:
        response.raw.close()


def _introduce() -> dict[str, str]:
    from ... import __version__

    return {"User-Agent": f"spacy-elmo/{__version__}"}
