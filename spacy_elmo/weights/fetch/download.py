"""Download of a file from several URLs, over unreliable networks."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import ElmoConnectionError, ElmoOSError, Errors
from ...util.hashes import sha256 as sha256_of
from ...util.user_cache import CACHE_VARIABLE
from ..sniff import sniff
from ..urls import hide_secrets, safe_url
from .attempt import BrokenError, Partial, RefusedError, Report, Wanted, WrongError, attempt

MIRROR_VARIABLE = "SPACY_ELMO_MIRROR"

# Called with the temporary path of a complete file; returns what is wrong with the file, or None.
Look = Callable[[Path], str | None]

# Attempts at a URL that bring next to nothing, and seconds before the second one, doubled with each. urllib3's
# Retry counts requests that fail: not those that end halfway, nor what they have brought.
TRIES = 4
FIRST_WAIT = 0.5
# An attempt that brings as many bytes restarts the count: over a bad line, it gets there in the end.
WORTH_AN_ATTEMPT = 1 << 20


def download(
    urls: Sequence[str],
    path: Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    report: Report = lambda done, total: None,
    look: Look = lambda path: None,
    note: str = "",
) -> None:
    """Download a file. It appears when it is complete and checked.

    Until then `<name>.part` beside it holds the bytes so far, and this process or a later one continues with them.

    urls (Sequence[str]): Addresses with http(s):// or file://, in the order in which they are tried.
    path (Path): The final name of the file.
    size (int | None): Its size in bytes; None if it is not known.
    sha256 (str | None): Its checksum; None if it is not known.
    report (Report): Called with the progress.
    look (Look): Checks the content of the complete file.
    note (str): Another line for the message if all URLs fail.
    RAISES (ConnectionError): If no URL has the file, with the reason for each.
    RAISES (OSError): If the file cannot be written.
    """
    part, wanted, reasons = Partial(path), Wanted(size, sha256), ""
    try:
        for url in urls:
            try:
                _from_url(url, part, wanted, report, look)
            except (BrokenError, RefusedError) as error:
                reasons += f"\n  {safe_url(url)}: {hide_secrets(str(error), url)}"
            else:
                return part.finish()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ElmoOSError(Errors.EL142.format(path=path.parent, reason=reason, variable=CACHE_VARIABLE)) from error
    raise ElmoConnectionError(Errors.EL141.format(file=path.name, reasons=reasons + note, mirror=MIRROR_VARIABLE))


def _from_url(url: str, part: Partial, wanted: Wanted, report: Report, look: Look) -> None:
    failures = 0
    was_wrong = False
    while True:
        before = part.size
        try:
            attempt(url, part, wanted, report)
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


def _check(part: Partial, wanted: Wanted, look: Look) -> None:
    kind = sniff(part.path)
    if kind in ("empty", "html"):
        raise WrongError("got a web page instead of the file" if kind == "html" else "the file is empty")
    if wanted.sha256 is not None:
        got = sha256_of(part.path)
        if got != wanted.sha256:
            raise WrongError(f"its sha256 is {got}, expected {wanted.sha256}")
    reason = look(part.path)
    if reason is not None:
        raise WrongError(reason)
