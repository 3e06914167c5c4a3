"""The words that a language model predicts."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..bilm.characters import CLOSING, OPENING
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.atomic import atomic_write
from ..util.files import numbered_lines, read_small
from ..weights.sniff import VOCAB_NAME

UNKNOWN = "<UNK>"
# A vocab.txt of bilm-tf begins with these, whatever their frequency.
SPECIAL = (OPENING, CLOSING, UNKNOWN)

# A line of older vocabularies that bilm-tf skips.
NO_WORD = "!!!MAXTERMID"
# Of a file: of several million words, more than any softmax has.
MOST_VOCABULARY = 64 << 20


class Vocabulary:
    """Words, the most frequent first, with the boundary tokens <S> and </S> and <UNK> among them.

    Other words are read by their characters all the same, and predicted as <UNK>.

    words (Sequence[str]): The words in order.
    where (str): Where they are from, for messages.
    lines (Sequence[int] | None): The number of each word's line there, for messages; None: from 1 up.
    RAISES (ElmoError): If <S>, </S> or <UNK> is missing, or a word occurs twice.
    """

    def __init__(self, words: Sequence[str], *, where: str = VOCAB_NAME, lines: Sequence[int] | None = None):
        self.words: list[str] = list(words)
        self._ids: dict[str, int] = {word: number for number, word in enumerate(self.words)}
        missing = [word for word in SPECIAL if word not in self._ids]
        if missing:
            raise ElmoError(Errors.EL072.format(path=where, missing=", ".join(missing)))
        if len(self._ids) < len(self.words):
            first = next(number for number, word in enumerate(self.words) if self._ids[word] != number)
            again = self.words.index(self.words[first], first + 1)
            numbers = lines or range(1, len(self.words) + 1)
            word = f"the word '{self.words[first]}'" if self.words[first] else "the empty word (a blank line)"
            names = {"word": word, "first": numbers[first], "line": numbers[again]}
            raise ElmoError(Errors.EL073.format(path=where, **names))
        self.unknown = self._ids[UNKNOWN]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def ids(self, tokens: Iterable[str]) -> NDArray[np.int64]:
        """Look up tokens.

        tokens (Iterable[str]): Their texts.
        RETURNS (NDArray): Their numbers, that of <UNK> for other words: (n,), int64.
        """
        return np.array([self._ids.get(token, self.unknown) for token in tokens], dtype=np.int64)

    @classmethod
    def from_counts(
        cls,
        types: Sequence[str],
        counts: Sequence[int],
        *,
        min_count: int = 1,
        max_size: int | None = None,
    ) -> "Vocabulary":
        """Make a vocabulary of the most frequent words. Those of the same frequency keep their order.

        types (Sequence[str]): Distinct words.
        counts (Sequence[int]): How often each occurs.
        min_count (int): How often a word must occur at least.
        max_size (int | None): Most words, with the three special ones; None: no limit.
        RETURNS (Vocabulary): The special words, then the others.
        """
        order = np.argsort(-np.asarray(counts), kind="stable")
        frequent = (types[k] for k in order if counts[k] >= min_count)
        words = [word for word in frequent if word not in SPECIAL and _is_writable(word)]
        return cls([*SPECIAL, *words][:max_size])

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read a vocab.txt as bilm-tf writes it: one word a line, UTF-8.

        path (Path): The file.
        RETURNS (Vocabulary): Its words.
        RAISES (FileNotFoundError): If there is no such file.
        RAISES (ElmoError): If it is not UTF-8, is not a vocabulary, or is too large for one.
        """
        if not path.is_file():
            raise ElmoFileNotFoundError(
                Errors.EL026.format(path=path, closest="Create one with: spacy-elmo vocab")
            )
        # Only a line feed ends a line: words may hold the other separators that Unicode knows.
        lines = numbered_lines(BytesIO(read_small(path, most=MOST_VOCABULARY)), path)
        kept = [(line.text, line.number) for line in lines if line.text != NO_WORD]
        words, numbers = [word for word, _ in kept], [number for _, number in kept]
        return cls(words, where=str(path), lines=numbers)

    def to_text(self) -> str:
        """Format the words as a vocab.txt.

        RETURNS (str): One word a line.
        """
        return "".join(f"{word}\n" for word in self.words)

    def write(self, path: Path) -> None:
        """Write a vocab.txt.

        path (Path): The file.
        """
        with atomic_write(path) as temporary:
            temporary.write_bytes(self.to_text().encode("utf-8", "ignore"))


def _is_writable(word: str) -> bool:
    """Whether the word can be a line of a UTF-8 file, and is the same word when it is read."""
    is_line = bool(word) and "\n" not in word and not word.endswith("\r")
    return is_line and word == word.encode("utf-8", "ignore").decode("utf-8")
