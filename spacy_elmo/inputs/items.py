"""What files hold: sentences that are split into tokens, and texts that are not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .text import Lines


class Item(NamedTuple):
    """One sentence or text of a file.

    text: as it stands there. tokens: None where spaCy has yet to split the text. by_spacy: spaCy has made them.
    end: bytes of the unpacked file that end with it. line: where it begins; None where there are no lines.
    """

    text: str
    tokens: list[str] | None
    end: float
    line: int | None = None
    by_spacy: bool = False


@dataclass(frozen=True)
class InputSentence:
    """One sentence of the input.

    text: as it stands in the input; the key under which `embed`'s index finds it.
    tokens: all its tokens. done: share of the input that ends with this sentence, 0 to 1.
    by_spacy: spaCy has split it. Its whitespace tokens are then no words of the text, and hidden from the biLM;
        tokens that the user has given are embedded as they are.
    """

    text: str
    tokens: list[str]
    done: float
    by_spacy: bool = False

    @property
    def rows(self) -> list[int]:
        """Tokens that the biLM sees."""
        return [i for i, token in enumerate(self.tokens) if not (self.by_spacy and token.isspace())]

    @property
    def visible(self) -> list[str]:
        """The texts of `rows`."""
        return [self.tokens[i] for i in self.rows]


def split_blanks(line: str) -> list[str]:
    """Tokens between blanks and tabs. Other spaces, such as no-break ones, are part of tokens."""
    tokens = line.replace("\t", " ").split(" ")
    return [token for token in tokens if token] if "" in tokens else tokens


def read_tokens(lines: Lines) -> Iterator[Item]:
    """A sentence a line, tokens between blanks; an empty line is an empty sentence."""
    for number, line, _ in lines:
        yield Item(line.strip(" \t"), split_blanks(line), lines.n_bytes, number)


def read_txt(lines: Lines) -> Iterator[Item]:
    """A text a line; an empty line is an empty text."""
    for number, line, _ in lines:
        yield Item(line.strip(), None, lines.n_bytes, number)
