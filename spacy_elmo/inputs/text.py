"""The lines of an input as checked text."""

import codecs
import warnings
from collections.abc import Iterator
from typing import IO

from ..errors import ElmoError, Errors, Warnings
from ..util.files import Line, bad_line, numbered_lines
from .packed import MAGIC, InputFile

# The most bytes of a line. Longer ones are not lines of text, and would fill the memory.
LONGEST_LINE = 1 << 28
# Formats whose lines cannot contain a carriage return.
_WITHOUT_RETURNS = ("jsonl", "conllu", "fasta")
_BOMS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip


class Lines:
    """The lines of a file. Only a line feed ends a line, with or without a carriage return before it.

    Iteration raises a ValueError when it reaches something that is not UTF-8 text.

    file (InputFile): The file.
    path (Path): Its path.
    n_bytes (int): The size of the lines so far.
    """

    def __init__(self, file: InputFile, *, warn: bool = False):
        """Prepare to read a file.

        file (InputFile): The file.
        warn (bool): Warn at the end about carriage returns that look wrong.
        """
        self.file = file
        self.path = file.path
        self.n_bytes = 0
        self._warn = warn

    def __iter__(self) -> Iterator[Line]:
        n_lines = n_returns = first_return = 0
        line: Line | None = None
        with self.file.open(longest_line=self.longest) as stream:
            for line in numbered_lines(self._read_lines(stream), self.path):
                self.n_bytes += line.n_bytes
                if "\0" in line.text:
                    how = "Convert the file: iconv -f UTF-16LE -t UTF-8 OLD >NEW"
                    raise bad_line(self.path, line.number, "a NUL character, as in UTF-16", how)
                if "\r" in line.text:
                    if self.file.format in _WITHOUT_RETURNS:
                        raise ElmoError(Errors.EL206.format(path=self.path))
                    n_lines, first_return = n_lines + 1, first_return or line.number
                    n_returns += line.text.count("\r")
                yield line
            n_feeds = self._n_feeds
        if n_returns > n_feeds:
            raise ElmoError(Errors.EL206.format(path=self.path))
        if n_returns and self._warn:
            warnings.warn(Warnings.WL037.format(path=self.path, n=n_lines, line=first_return), stacklevel=2)

    def _read_lines(self, stream: IO[bytes]) -> Iterator[bytes]:
        self._n_feeds = number = 0
        longest = self.longest
        while line := stream.readline(longest + 1):
            number += 1
            if number == 1:
                self._check_start(line)
            if len(line) > longest:
                raise self._refuse(number, line)
            self._n_feeds += line.endswith(b"\n")
            # A byte order mark alone is an empty file.
            if number > 1 or line != codecs.BOM_UTF8:
                yield line

    @property
    def longest(self) -> int:
        """The most bytes of a line."""
        return LONGEST_LINE

    def _refuse(self, number: int, start: bytes) -> Exception:
        """Make the error for a line that is too long, of which the first bytes were read."""
        reason = f"longer than {self.longest >> 20} MB; it may not be text with one item per line"
        return bad_line(self.path, number, reason)

    def _check_start(self, line: bytes) -> None:
        name = next((name for bom, name in _BOMS.items() if line.startswith(bom)), None)
        if name is not None:
            how = f"Convert it: iconv -f {name} -t UTF-8 OLD >NEW"
            raise ElmoError(Errors.EL205.format(path=self.path, what=f"in {name}", advice=how))
        ending = next((ending for magic, ending in MAGIC.items() if line.startswith(magic)), None)
        if ending is not None and not line.isascii():
            how = f"Give it a name with the ending {ending}, or decompress it."
            what = f"compressed, as {ending} files are"
            raise ElmoError(Errors.EL205.format(path=self.path, what=what, advice=how))
