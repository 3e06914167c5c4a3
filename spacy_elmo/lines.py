"""Lines of text files, with the numbers that messages name."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from .errors import Errors


class Line(NamedTuple):
    """number: from 1. text: without its end. n_bytes: with its end, in the file."""

    number: int
    text: str
    n_bytes: int


def numbered_lines(file: Iterable[bytes], path: Path) -> Iterator[Line]:
    """The lines of a binary file, as UTF-8. Only a line feed ends a line: the other separators that Unicode knows
    occur inside sentences. path: for messages.

    RAISES: ValueError, once it is reached, for a line that is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            how = "convert the file, for example by iconv -f LATIN1 -t UTF-8"
            reason = f"not UTF-8 ({error.reason} at byte {error.start}); {how}"
            raise bad_line(path, number, reason) from error
        yield Line(number, text.rstrip("\r\n"), len(line))


def bad_line(path: Path, number: int, reason: str) -> ValueError:
    """The error of a line that cannot be used."""
    return ValueError(Errors.EL061.format(path=path, line=number, reason=reason))
