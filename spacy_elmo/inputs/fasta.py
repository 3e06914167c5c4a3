"""Reader of FASTA files: sequences of proteins or other molecules, with a residue as a token."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from ..errors import ElmoError, Errors, ReasonError, Warnings
from .items import Item
from .text import Lines

# The longest known proteins have some 45,000 residues; memory grows with the length.
MOST_RESIDUES = 100_000
# The most bytes of a line. Where databases are merged, headers have some hundred thousand.
LONGEST_LINE = 1 << 20
# The most characters of an id.
LONGEST_ID = 1000
# In place of the number of a field: all of the header is the id.
WHOLE_HEADER = -1

_OTHER = re.compile("[^A-Za-z]")
_STOP = "*"
_ADVICE = {
    **dict.fromkeys(
        "-.", "Gaps of an alignment are not residues; remove them, for example by sed '/^>/!s/[-.]//g' OLD >NEW"
    ),
    _STOP: "A stop may only end a sequence: split the sequence there, or remove what is not translated.",
}
_OTHER_ADVICE = (
    "Residues are the letters A to Z, in upper or lower case. For tokens of other kinds, write a sequence on each "
    "line with blanks between tokens, and give --format tokens."
)


@dataclass(frozen=True)
class HeaderIds:
    """Where the id of a sequence stands in its header.

    field (int | None): The number of a field, from 0; `WHOLE_HEADER`; None: the first word.
    split_char (str): What separates fields.
    """

    field: int | None = None
    split_char: str = "|"

    def find(self, header: str) -> str:
        """Find the id of a sequence.

        header (str): The header without ">".
        RETURNS (str): The id.
        RAISES (ReasonError): If the header does not have it.
        """
        header = header.strip()
        if self.field == WHOLE_HEADER:
            found = header
        elif self.field is None:
            found = header.split(None, 1)[0] if header else ""
        else:
            fields = header.split(self.split_char)
            if self.field >= len(fields):
                raise ReasonError(f"no field {self.field} between '{self.split_char}' (the first one is 0)")
            found = fields[self.field].strip()
        if not found:
            raise ReasonError("no id")
        if len(found) > LONGEST_ID:
            raise ReasonError(f"an id of {len(found):,} characters, of which {LONGEST_ID:,} are allowed")
        return found


class FastaLines(Lines):
    """The lines of a FASTA file, which have no reason to be as long as those of text."""

    @property
    def longest(self) -> int:
        return LONGEST_LINE

    def _refuse(self, number: int, start: bytes) -> Exception:
        if b"\r" in start.rstrip(b"\r\n"):
            return ElmoError(Errors.EL206.format(path=self.path))
        if start.startswith((b">", b";")):
            reason = f"more than {LONGEST_LINE >> 20} MB"
            return ElmoError(Errors.EL309.format(path=self.path, line=number, reason=reason))
        return _too_long(self.path, number, "this sequence")


def read_fasta(lines: FastaLines, ids: HeaderIds, *, warn: bool = False) -> Iterator[Item]:
    """Read the sequences, in upper case. Those without residues are left out.

    lines (FastaLines): The lines of the file.
    ids (HeaderIds): Where ids are.
    warn (bool): Warn at the end about what was changed or left out.
    YIELDS (Item): Each sequence.
    RAISES (ElmoError): When it reaches a line that is not FASTA, or a sequence that is too long.
    """
    record: _Record | None = None
    changes = _Changes()
    for number, line, _ in lines:
        if line.startswith(">"):
            if record is not None:
                yield from record.finish(lines.n_bytes, changes)
            record = _Record(lines.path, number, _find_id(ids, line[1:], lines.path, number))
        # A comment, in the format of Pearson's programs.
        elif not line.startswith(";"):
            text = "".join(line.split())
            if text and record is None:
                raise ElmoError(Errors.EL305.format(path=lines.path, line=number))
            if text and record is not None:
                record.add(text, number)
    if record is not None:
        yield from record.finish(lines.n_bytes, changes)
    if warn:
        changes.report(lines.path)


def _find_id(ids: HeaderIds, header: str, path: Path, number: int) -> str:
    try:
        return ids.find(header)
    except ReasonError as error:
        raise ElmoError(Errors.EL309.format(path=path, line=number, reason=error)) from error


def _too_long(path: Path, number: int, what: str) -> ElmoError:
    return ElmoError(Errors.EL308.format(path=path, line=number, what=what, most=MOST_RESIDUES))


@dataclass
class _Changes:
    """How many sequences were changed or left out, by the warning about it, with the id and line of the first."""

    _found: dict[str, tuple[int, str, int]] = field(default_factory=dict)

    def add(self, message: str, record: "_Record") -> None:
        """Add a sequence.

        message (str): The warning.
        record (_Record): The sequence.
        """
        n, first, line = self._found.get(message, (0, record.id, record.line))
        self._found[message] = n + 1, first, line

    def report(self, path: Path) -> None:
        """Give the warnings.

        path (Path): The file.
        """
        for message, (n, first, line) in self._found.items():
            warnings.warn(message.format(path=path, n=n, first=first, line=line), stacklevel=5)


class _Record:
    """A sequence that is being read.

    id (str): Its id.
    line (int): The number of its header's line.
    """

    def __init__(self, path: Path, line: int, id: str):
        self.id = id
        self.line = line
        self._path = path
        self._parts: list[str] = []
        self._n_residues = 0
        self._has_lower = False
        # The line of a stop at the end.
        self._stop: int | None = None

    def add(self, text: str, number: int) -> None:
        """Add residues.

        text (str): A line without blanks.
        number (int): The number of the line.
        RAISES (ElmoError): If it contains something else, or the sequence is too long.
        """
        if self._stop is not None:
            self._refuse(_STOP, self._stop)
        if text.endswith(_STOP):
            text, self._stop = text[:-1], number
        if (other := _OTHER.search(text)) is not None:
            self._refuse(other[0], number)
        self._n_residues += len(text)
        if self._n_residues > MOST_RESIDUES:
            raise _too_long(self._path, number, f"the sequence '{self.id}'")
        upper = text.upper()
        self._has_lower = self._has_lower or upper != text
        self._parts.append(upper)

    def finish(self, end: float, changes: _Changes) -> Iterator[Item]:
        """Make the item of a whole sequence.

        end (float): As for `Item`.
        changes (_Changes): Gets what was changed.
        YIELDS (Item): The sequence; nothing if it has no residues.
        """
        if self._has_lower:
            changes.add(Warnings.WL090, self)
        if self._stop is not None:
            changes.add(Warnings.WL091, self)
        if not self._n_residues:
            changes.add(Warnings.WL092, self)
            return
        residues = "".join(self._parts)
        yield Item(residues, [*residues], end, self.line, id=self.id)

    def _refuse(self, got: str, number: int) -> NoReturn:
        advice = _ADVICE.get(got, _OTHER_ADVICE)
        raise ElmoError(Errors.EL306.format(path=self._path, line=number, id=self.id, got=got, advice=advice))
