"""Reader of CoNLL-U, the format of Universal Dependencies' treebanks."""

import re
from collections.abc import Iterator

from ..errors import ReasonError
from ..util.files import bad_line
from .items import Item
from .text import Lines

_N_COLUMNS = 10
_ID = re.compile(
    r"(?P<word>[1-9][0-9]*)|(?P<first>[1-9][0-9]*)-(?P<last>[1-9][0-9]*)|(?P<after>[0-9]+)\.[1-9][0-9]*"
)
# A block with these comments is a sentence even without words.
_METADATA = re.compile(r"#\s*(sent_id|text)\s*=")


class _LineError(ReasonError):
    """A line that cannot stand where it is."""


class _Block:
    """The lines between two blank lines.

    words (list[str]): The words so far.
    begins (int | None): The number of its first line; None if it is not a sentence yet.
    """

    def __init__(self) -> None:
        """Start an empty block."""
        self.words: list[str] = []
        self.begins: int | None = None
        self._covered = 0

    def add(self, line: str) -> None:
        """Add a line.

        line (str): The line.
        RAISES (_LineError): If it cannot stand here.
        """
        columns = line.split("\t")
        if len(columns) != _N_COLUMNS:
            raise _LineError(f"{len(columns)} columns, but CoNLL-U has {_N_COLUMNS}, separated by tabs")
        found = _ID.fullmatch(columns[0])
        if found is None:
            raise _LineError(f"'{columns[0]}' is not a word number")
        if found["word"]:
            self._add_word(int(found["word"]), columns[1])
        elif found["first"]:
            self._add_multiword(int(found["first"]), int(found["last"]))
        elif int(found["after"]) != len(self.words):
            raise _LineError(f"empty node {columns[0]} after word {len(self.words)}")

    def check_end(self) -> None:
        """Check that the block is complete.

        RAISES (_LineError): If a multiword token is not.
        """
        if self._covered > len(self.words):
            last = len(self.words)
            raise _LineError(f"a multiword token extends to word {self._covered}, but the last word is {last}")

    def _add_word(self, number: int, form: str) -> None:
        last = len(self.words)
        if number == 1 and last:
            raise _LineError(f"word 1 after word {last}; a blank line, which ends a sentence, may be missing")
        if number != last + 1:
            after = f"after word {last}" if last else "at the start of a sentence"
            raise _LineError(f"word {number} {after}; words are numbered 1, 2, 3 and so on")
        if not form:
            raise _LineError(f"word {number} has no form")
        self.words.append(form)

    def _add_multiword(self, first: int, last: int) -> None:
        if first != len(self.words) + 1:
            raise _LineError(f"multiword token {first}-{last} is not placed before its first word")
        if last < first or first <= self._covered:
            raise _LineError(f"multiword token {first}-{last} is reversed, or overlaps the one before it")
        self._covered = last


def read_conllu(lines: Lines) -> Iterator[Item]:
    """Read the words of each sentence. Multiword tokens (3-4) and empty nodes (5.1) are not words.

    lines (Lines): The lines of the file.
    YIELDS (Item): Each sentence.
    RAISES (ElmoError): When it reaches a line that is not CoNLL-U.
    """
    block, number = _Block(), 0
    try:
        for number, line, _ in lines:
            if not line.strip():
                yield from _end(block, lines)
                block = _Block()
            elif not line.startswith("#"):
                block.begins = block.begins or number
                block.add(line)
            elif _METADATA.match(line):
                block.begins = block.begins or number
        yield from _end(block, lines)
    except _LineError as error:
        raise bad_line(lines.path, number, str(error)) from error


def _end(block: _Block, lines: Lines) -> Iterator[Item]:
    block.check_end()
    if block.begins is not None:
        yield Item(" ".join(block.words), block.words, lines.n_bytes, block.begins)
