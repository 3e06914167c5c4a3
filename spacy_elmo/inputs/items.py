"""The content of files: sentences that are split into tokens, and texts that are not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .text import Lines


class Item(NamedTuple):
    """A sentence or text of a file.

    text (str): The text as it is in the file.
    tokens (list[str] | None): Its tokens; None if spaCy must split the text.
    end (float): Bytes of the unpacked file up to its end.
    line (int | None): The number of its first line; None if the file has no lines.
    by_spacy (bool): Whether the tokens are spaCy's.
    id (str | None): The id of a sequence; None in formats without ids.
    """

    text: str
    tokens: list[str] | None
    end: float
    line: int | None = None
    by_spacy: bool = False
    id: str | None = None


@dataclass(frozen=True)
class InputSentence:
    """A sentence of the input.

    text (str): The text as it is in the input, which is the key in `embed`'s index.
    tokens (list[str]): All its tokens.
    done (float): The share of the input up to the end of this sentence, from 0 to 1.
    by_spacy (bool): Whether the tokens are spaCy's. Its whitespace tokens are not words, and hidden from the biLM;
        tokens that the user has given are embedded as they are.
    id (str | None): The id of a sequence; None in formats without ids.
    """

    text: str
    tokens: list[str]
    done: float
    by_spacy: bool = False
    id: str | None = None

    @property
    def rows(self) -> list[int]:
        """List the tokens that the biLM sees.

        RETURNS (list[int]): Their places in the sentence.
        """
        return [i for i, token in enumerate(self.tokens) if not (self.by_spacy and token.isspace())]

    @property
    def visible(self) -> list[str]:
        """List the texts of the tokens that the biLM sees.

        RETURNS (list[str]): The texts.
        """
        return [self.tokens[i] for i in self.rows]


def split_blanks(line: str) -> list[str]:
    """Split a line at blanks and tabs. Other spaces, such as no-break spaces, are part of tokens.

    line (str): The line.
    RETURNS (list[str]): Its tokens.
    """
    tokens = line.replace("\t", " ").split(" ")
    return [token for token in tokens if token] if "" in tokens else tokens


def read_tokens(lines: Lines) -> Iterator[Item]:
    """Read a sentence from each line, with tokens between blanks. An empty line is an empty sentence.

    lines (Lines): The lines of the file.
    YIELDS (Item): Each sentence.
    """
    for number, line, _ in lines:
        yield Item(line.strip(" \t"), split_blanks(line), lines.n_bytes, number)


def read_txt(lines: Lines) -> Iterator[Item]:
    """Read a text from each line. An empty line is an empty text.

    lines (Lines): The lines of the file.
    YIELDS (Item): Each text.
    """
    for number, line, _ in lines:
        yield Item(line.strip(), None, lines.n_bytes, number)
