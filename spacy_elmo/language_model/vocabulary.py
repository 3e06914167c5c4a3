"""The words that a language model predicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..bilm.characters import CLOSING, OPENING, character_ids
from ..bilm.options import Options
from ..errors import ElmoError, ElmoFileNotFoundError, Errors
from ..util.atomic import atomic_write
from ..util.files import read_bytes
from .streams import Batch

VOCAB_NAME = "vocab.txt"
UNKNOWN = "<UNK>"
# bilm-tf's vocab.txt begins with these, whatever their frequency.
SPECIAL = (OPENING, CLOSING, UNKNOWN)

# bilm-tf leaves this line of older vocabularies out.
_NO_WORD = "!!!MAXTERMID"


def begins_as_vocabulary(path: Path) -> bool:
    """Whether there is a file that begins with the words that every vocab.txt begins with."""
    begin = "\n".join(SPECIAL).encode("utf-8") + b"\n"
    return path.is_file() and read_bytes(path, n_bytes=len(begin)) == begin


class Vocabulary:
    """Words, the most frequent first, with the two sentence marks and <UNK> among them.

    Words that it lacks are read by their characters all the same, and predicted as <UNK>.
    RAISES (ElmoError): If one of the three is missing, or a word occurs twice. where: for messages.
    """

    def __init__(self, words: Sequence[str], *, where: str = VOCAB_NAME):
        self.words: list[str] = list(words)
        self._ids: dict[str, int] = {word: number for number, word in enumerate(self.words)}
        missing = [word for word in SPECIAL if word not in self._ids]
        if missing:
            raise ElmoError(Errors.EL072.format(path=where, missing=", ".join(missing)))
        if len(self._ids) < len(self.words):
            double = next(word for number, word in enumerate(self.words) if self._ids[word] != number)
            raise ElmoError(Errors.EL073.format(path=where, word=double, line=self.words.index(double) + 1))
        self.unknown = self._ids[UNKNOWN]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.words == other.words

    def ids(self, tokens: Iterable[str]) -> NDArray[np.int64]:
        """Number of each token, that of <UNK> for those that it lacks."""
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
        """The words that occur min_count times or more, no more than max_size with the three special ones.
        Words that occur equally often keep their order in `types`."""
        order = np.argsort(-np.asarray(counts), kind="stable")
        frequent = (types[k] for k in order if counts[k] >= min_count)
        words = [word for word in frequent if word not in SPECIAL and _can_be_written(word)]
        return cls([*SPECIAL, *words][:max_size])

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """A vocab.txt as bilm-tf has it: a word a line, UTF-8.

        RAISES (FileNotFoundError).
        RAISES (ElmoError): If it is not UTF-8 or no vocabulary.
        """
        if not path.is_file():
            raise ElmoFileNotFoundError(
                Errors.EL026.format(path=path, closest="Create one with: spacy-elmo vocab")
            )
        try:
            # Only a line feed ends a line: words may hold the other separators that Unicode knows.
            lines = path.read_bytes().decode("utf-8-sig").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise ElmoError(
                Errors.EL061.format(path=path, line="?", reason=f"not UTF-8 ({error.reason})")
            ) from error
        words = [line.rstrip("\r") for line in lines]
        return cls([word for word in words if word != _NO_WORD], where=str(path))

    def to_text(self) -> str:
        """What a vocab.txt holds."""
        return "".join(f"{word}\n" for word in self.words)

    def write(self, path: Path) -> None:
        """Write a vocab.txt."""
        with atomic_write(path) as temporary:
            temporary.write_bytes(self.to_text().encode("utf-8", "ignore"))


def _can_be_written(word: str) -> bool:
    """Whether it can stand in a UTF-8 file with a word a line, and is the same word when it is read."""
    is_line = bool(word) and "\n" not in word and not word.endswith("\r")
    return is_line and word == word.encode("utf-8", "ignore").decode("utf-8")


@dataclass(frozen=True)
class Types:
    """What a model knows of a text's word types, the opening and the closing mark after them.

    character_ids: (n_types + 2, max_characters), int16. words: (n_types + 2,), int64, places in the vocabulary.
    """

    character_ids: Tensor
    words: Tensor

    def of(self, batch: Batch, rows: slice) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What a model reads of some rows of a batch.

        RETURNS: all on the host: character ids of the types that occur (n, max_characters); inputs (n_steps, 2,
            n_rows), places among these; targets (2, n_steps * n_rows), and those of all rows, in one dimension.
        """
        numbers, places = np.unique(batch.inputs[:, :, rows], return_inverse=True)
        targets = self.words[torch.from_numpy(batch.targets).long()]
        return (
            self.character_ids[torch.from_numpy(numbers).long()].long(),
            torch.from_numpy(places.reshape(batch.inputs[:, :, rows].shape)),
            targets[:, :, rows].transpose(0, 1).flatten(1),
            targets.flatten(),
        )


def types_of(texts: Sequence[str], options: Options, vocabulary: Vocabulary) -> Types:
    """What a model knows of a text's word types."""
    marked = [*texts, OPENING, CLOSING]
    ids = character_ids(marked, max_characters=options.char_cnn.max_characters_per_token)
    return Types(torch.from_numpy(ids.astype("int16")), torch.from_numpy(vocabulary.ids(marked)))
