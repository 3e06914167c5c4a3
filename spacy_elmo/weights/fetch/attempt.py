"""One attempt to download a file, or the missing rest of it, from one URL."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from ...util.files import check_regular
from ..releases import File
from ..urls import HTTP_VARIABLE, is_http_allowed, is_private, safe_url
from .partial_file import Origin, Partial
from .web import (
    NO_HEADERS,
    BrokenError,
    MissingError,
    RefusedError,
    WrongError,
    describe_status,
    find_cause,
    is_page,
    read_title,
    request,
)

if TYPE_CHECKING:
    import requests

# Bytes a second that come at least, on average over so many seconds. A server that sends a byte now and then never
# stalls.
SLOWEST = 1024
SLOW_AFTER = 60.0
# Of files whose size nobody told.
MOST_BYTES = 16 << 30
CHUNK = 1 << 14
_SMALL_CHUNK = 512
# Worth another try: too early, too often; all from 500 up are as well.
_PASSING = (408, 425, 429)
# Not there; or, where a server does not list what it has, not allowed.
_MISSING = (403, 404, 410)

# As headers have it; Python makes no numbers of thousands of digits.
_SIZE = r"[0-9]{1,18}"

# Called with the number of bytes so far, and with the size of the file if it is known.
Report = Callable[[int, int | None], None]


class _Body(NamedTuple):
    """The content of an answer.

    start (int): Its place in the file.
    total (int | None): The size of the whole file; None if it is not known.
    origin (Origin | None): Its origin; None if it is not known.
    """

    start: int
    total: int | None
    origin: Origin | None


def attempt(
    url: str, part: Partial, wanted: File, report: Report, *, headers: Mapping[str, str] = NO_HEADERS
) -> None:
    """Download as much of the file as this URL provides. The part is then complete, but not checked.

    url (str): An address with http(s):// or file://.
    part (Partial): The part so far.
    wanted (File): What is known of the file.
    report (Report): Called with the progress.
    headers (Mapping[str, str]): More headers of a request, such as a user's token.
    RAISES (BrokenError): If the attempt failed, and another one may not.
    RAISES (WrongError): If the content is not that of the file.
    RAISES (RefusedError): If this URL does not have the file.
    RAISES (OSError): If the part cannot be written.
    """
    if urlsplit(url).scheme == "file":
        _copy(url, part, wanted, report)
    else:
        _request(url, part, wanted, report, headers)


def _copy(url: str, part: Partial, wanted: File, report: Report) -> None:
    # It brings all of http and ssl along, in every command.
    from urllib.request import url2pathname

    source = Path(url2pathname(urlsplit(url).path))
    try:
        size, file = check_regular(source).st_size, source.open("rb")
    except (OSError, ValueError) as error:
        kind = MissingError if isinstance(error, FileNotFoundError) else RefusedError
        raise kind(getattr(error, "strerror", None) or str(error)) from error
    if size == 0:
        # Files of the kernel state no size, and may make a reader wait.
        file.close()
        raise RefusedError("the file is empty")
    with file:
        _write(part, _Body(0, size, None), _read_chunks(file), wanted, report)


def _read_chunks(file: BinaryIO) -> Iterator[bytes]:
    try:
        yield from iter(lambda: file.read(CHUNK), b"")
    except OSError as error:
        raise RefusedError(error.strerror or str(error)) from error


def _request(url: str, part: Partial, wanted: File, report: Report, more: Mapping[str, str]) -> None:
    missing = _range(url, part, wanted)
    # Of what is compressed on the way, a part could not be gone on with.
    response = request(url, {"Accept-Encoding": "identity", **more, **missing})
    with closing(response):
        hops = [one.url for one in (*response.history, response)]
        is_open = is_private(url) and not all(map(is_private, hops))
        if is_open and not wanted.has_checksum and not is_http_allowed():
            reason = "it redirects to an address with http://, where the file could be tampered with"
            raise RefusedError(f"{reason}. To allow it: {HTTP_VARIABLE}=1")
        try:
            if response.status_code in (200, 206) and is_page(response.headers):
                raise MissingError(f"got a web page instead of the file{read_title(response)}")
            body = _body(url, response.status_code, response.headers, part, asked=missing)
        except WrongError:
            part.discard()
            raise
        _write(part, body, _chunks(response), wanted, report)


def _range(url: str, part: Partial, wanted: File) -> dict[str, str]:
    """Headers that ask for what is missing; none to ask for the whole file."""
    size, origin = part.size, part.origin
    if size == 0 or size >= (wanted.size or MOST_BYTES):
        return {}
    if origin is not None and origin.url == safe_url(url):
        return {"Range": f"bytes={size}-", "If-Range": origin.version}
    # Bytes of another URL: only a checksum can tell whether they are of the same file.
    return {"Range": f"bytes={size}-"} if wanted.has_checksum else {}


def _body(url: str, status: int, headers: Mapping[str, str], part: Partial, *, asked: Mapping[str, str]) -> _Body:
    """What the head of an answer promises."""
    if status == 416:
        raise WrongError("HTTP status 416: the requested part of the file does not exist")
    if status in _PASSING or status >= 500:
        raise BrokenError(describe_status(status))
    if status not in (200, 206):
        raise (MissingError if status in _MISSING else RefusedError)(describe_status(status))
    encoding = headers.get("Content-Encoding", "identity").lower()
    # Some servers name so what a .gz file is. Then its bytes are the file's, and nothing is to be decoded.
    if encoding != "identity" and not (encoding in ("gzip", "x-gzip") and urlsplit(url).path.endswith("gz")):
        raise RefusedError(f"the response is encoded ({encoding}), which was not requested")
    tag, date = headers.get("ETag", ""), headers.get("Last-Modified", "")
    # A weak ETag (W/"...") does not promise the same bytes.
    version = tag if tag.startswith('"') else date
    origin = Origin(safe_url(url), version) if version else None
    if status == 200:
        length = headers.get("Content-Length", "")
        return _Body(0, int(length) if re.fullmatch(_SIZE, length) else None, origin)
    match = re.fullmatch(rf"bytes ({_SIZE})-{_SIZE}/({_SIZE})", headers.get("Content-Range", "").strip())
    if match is None or not asked or int(match[1]) != part.size:
        raise WrongError(f"got another part than requested ({headers.get('Content-Range')!r})")
    if "If-Range" in asked and origin is not None and asked["If-Range"] not in (tag, date):
        raise WrongError("got a part of another version")
    return _Body(part.size, int(match[2]), None)


def _write(part: Partial, body: _Body, chunks: Iterator[bytes], wanted: File, report: Report) -> None:
    total = body.total if wanted.size is None else wanted.size
    if body.total not in (None, total):
        raise RefusedError(f"its size is {body.total:,} bytes, expected {total:,}")
    most = MOST_BYTES if total is None else total
    if most > MOST_BYTES:
        raise RefusedError(f"its size is {most:,} bytes; allowed: {MOST_BYTES:,}")
    done = body.start
    since, before = time.monotonic(), done
    with part.resume() if body.start else part.begin(body.origin) as file:
        for chunk in chunks:
            now = time.monotonic()
            if now - since > SLOW_AFTER:
                if done - before < SLOWEST * SLOW_AFTER:
                    raise BrokenError(f"too slow: {done - before:,} bytes in {now - since:.0f} seconds")
                since, before = now, done
            if done + len(chunk) > most:
                raise WrongError(f"got more than the expected {most:,} bytes")
            file.write(chunk)
            done += len(chunk)
            report(done, total)
    if total is not None and done < total:
        raise BrokenError(f"{done:,} of {total:,} bytes arrived")


def _chunks(response: "requests.Response") -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError

    raw = response.raw
    # What has come, without waiting for more: else a slow server's bytes are not seen for hours.
    read = raw.read1 if hasattr(raw, "read1") else raw.read
    size = CHUNK if hasattr(raw, "read1") else _SMALL_CHUNK
    try:
        while chunk := read(size, decode_content=False):
            yield chunk
    except HTTPError as error:
        raise BrokenError(f"the connection was lost ({find_cause(error)})") from error
