"""The files of a model on a web page that lists a folder, as servers make them."""

from contextlib import closing, suppress
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

from ...bilm.options import OPTIONS_NAME
from ...errors import ElmoError, Errors, ReasonError
from ..addresses import make_file
from ..releases import File
from ..sniff import PAIRED_ENDINGS
from ..urls import is_http_allowed, is_private, safe_url, unquote_path
from .web import is_page, read_page, request

# Links of a page that are looked at.
_MOST_LINKS = 10_000


class _Links(HTMLParser):
    """Collects the addresses that a page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and len(self.found) < _MOST_LINKS:
            self.found += [value for name, value in attrs if name == "href" and value]


def list_page(url: str) -> tuple[File, ...] | None:
    """Find the options and the weights in the list of a folder.

    url (str): The address of the folder, with a slash at its end.
    RETURNS (tuple[File, ...] | None): The two files; None if there is no list, or no model in it.
    RAISES (ElmoError): If there are several models.
    """
    try:
        with closing(request(url)) as response:
            hops = [one.url for one in (*response.history, response)]
            # What somebody on the way could change must not choose the files.
            is_safe = all(map(is_private, hops)) or is_http_allowed()
            if response.status_code != 200 or not is_page(response.headers) or not is_safe:
                return None
            page = read_page(response)
    except ReasonError:
        return None
    links = _Links()
    with suppress(AssertionError):  # of Python's parser, at declarations that are not valid
        links.feed(page)
    # Every link counts from the address that was given, whatever led elsewhere.
    files = dict.fromkeys(_inside(url, link) for link in links.found)
    names = {file: unquote_path(file).rpartition("/")[2] for file in files if file}
    options = [file for file, name in names.items() if name.endswith(OPTIONS_NAME)]
    weights = [file for file, name in names.items() if name.lower().endswith(PAIRED_ENDINGS)]
    if len(options) > 1 or len(weights) > 1:
        found = ", ".join(safe_url(file) for file in [*options, *weights][:8])
        raise ElmoError(Errors.EL277.format(name=safe_url(url), found=found))
    if not options or not weights:
        return None
    return make_file(options[0], name=OPTIONS_NAME), make_file(weights[0])


def _inside(folder: str, link: str) -> str:
    """Get the address of a file directly in the folder; "" for every other link."""
    try:
        url = urldefrag(urljoin(folder, link)).url
        own, base = urlsplit(url), urlsplit(folder)
    except ValueError:
        return ""
    is_same = (own.scheme, own.netloc) == (base.scheme, base.netloc) and not own.query
    rest = own.path.removeprefix(base.path) if own.path.startswith(base.path) else ""
    return url if is_same and rest and "/" not in unquote_path(url)[len(unquote_path(folder)) :] else ""
