"""Download of a file from several URLs, over unreliable networks."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import ElmoConnectionError, ElmoOSError, Errors
from ...errors.advice import ADDRESSES, MIRROR
from ...util.hashes import hash_file
from ...util.user_cache import CACHE_VARIABLE
from ..releases import File
from ..sniff import sniff
from ..urls import hide_secrets, safe_url
from .attempt import Report, attempt
from .partial_file import Partial
from .web import NO_HEADERS, BrokenError, MissingError, RefusedError, WrongError

MIRROR_VARIABLE = "SPACY_ELMO_MIRROR"

# Called with the temporary path of a complete file; returns what is wrong with the file, or None.
Look = Callable[[Path], str | None]

# Attempts at a URL that bring next to nothing, and seconds before the second one, doubled with each. urllib3's
# Retry counts requests that fail: not those that end halfway, nor what they have brought.
TRIES = 4
FIRST_WAIT = 0.5
# An attempt that brings as many bytes restarts the count: over a bad line, it gets there in the end.
WORTH_AN_ATTEMPT = 1 << 20


class MissingFileError(ElmoConnectionError):
    """None of the URLs has the file, and all servers have said so."""


def download(
    file: File,
    path: Path,
    *,
    headers: Mapping[str, str] = NO_HEADERS,
    report: Report = lambda done, total: None,
    look: Look = lambda path: None,
    note: str = "",
    name: str | None = None,
    page: str | None = None,
) -> None:
    """Download a file. It appears when it is complete and checked.

    Until then `<name>.part` beside it holds the bytes so far, and this process or a later one continues with them.

    file (File): What is known of the file. Its addresses have http(s):// or file://.
    path (Path): Where it is written.
    headers (Mapping[str, str]): More headers of requests, such as a user's token.
    report (Report): Called with the progress.
    look (Look): Checks the content of the complete file.
    note (str): Another line for the message if all URLs fail.
    name (str | None): What messages call the file; None: by its path.
    page (str | None): The page of the model, for that message: there people find out what has become of the file.
    RAISES (ConnectionError): If no URL gives the file, with reasons; `MissingFileError` if none has it.
    RAISES (OSError): If the file cannot be written.
    """
    part, reasons = Partial(path), ""
    is_missing = bool(file.urls) and not note
    try:
        for url in file.urls:
            try:
                _from_url(url, part, file, report, look, headers)
            except (BrokenError, RefusedError) as error:
                is_missing = is_missing and isinstance(error, MissingError)
                reasons += f"\n  {safe_url(url)}: {hide_secrets(str(error), url)}"
            else:
                return part.finish()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ElmoOSError(Errors.EL142.format(path=path.parent, reason=reason, variable=CACHE_VARIABLE)) from error
    kind = MissingFileError if is_missing else ElmoConnectionError
    reasons += note + (f"\n  See the model's page: {page}" if page else "")
    advice = (MIRROR if os.environ.get(MIRROR_VARIABLE) else ADDRESSES).format(mirror=MIRROR_VARIABLE)
    raise kind(Errors.EL141.format(file=name or path.name, reasons=reasons, advice=advice))


def _from_url(
    url: str, part: Partial, wanted: File, report: Report, look: Look, headers: Mapping[str, str]
) -> None:
    failures = 0
    was_wrong = False
    while True:
        before = part.size
        try:
            attempt(url, part, wanted, report, headers=headers)
            return _check(part, wanted, look)
        except WrongError:
            part.discard()
            # Bytes may be lost on the way, but a server that sends the same again has another file.
            if was_wrong:
                raise
            was_wrong = True
        except BrokenError:
            failures = 0 if part.size - before >= WORTH_AN_ATTEMPT else failures + 1
            if failures == TRIES:
                raise
            time.sleep(FIRST_WAIT * 2 ** max(failures - 1, 0))


def _check(part: Partial, wanted: File, look: Look) -> None:
    kind = sniff(part.path)
    if kind in ("empty", "html"):
        raise WrongError("got a web page instead of the file" if kind == "html" else "the file is empty")
    for algorithm, expected in (("sha256", wanted.sha256), ("md5", wanted.md5)):
        got = expected and hash_file(part.path, algorithm)
        if got != expected:
            raise WrongError(f"its {algorithm} is {got}, expected {expected}")
    reason = look(part.path)
    if reason is not None:
        raise WrongError(reason)
