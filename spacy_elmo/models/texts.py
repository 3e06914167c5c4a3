"""Token texts by spaCy's numbers for them, many at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Token

from ..runtime.forks import ForkLock

# Texts that are known at most, each of some 150 bytes, and places to find them in, a power of two.
CAPACITY = 1 << 17
PLACES = 1 << 18


class Seen(NamedTuple):
    """texts: all that are known, as they are read; they are only appended to. numbers: (n_tokens,), where in them
    each token's is. spaces: (n_tokens,), bool, the tokens that are whitespace."""

    texts: list[str]
    numbers: NDArray[np.int64]
    spaces: NDArray[np.bool_]


class TextTable:
    """Texts of spaCy's hashes, and whether they are whitespace. What a hash stands for is the same in every
    vocabulary. Several threads may ask at a time; a copy starts empty.

    Asking spaCy for every token takes longer than all else that is done with it. Here a hash leads to a place,
    where its number is, or that of another text: only then, a dictionary is asked.
    """

    def __init__(self) -> None:
        self._lock = ForkLock(self._clear)
        self._shorten: Callable[[str], str] = str
        self._spaces: NDArray[np.bool_] = np.zeros(1024, dtype=bool)
        self._clear()

    def __reduce__(self) -> tuple[Any, ...]:
        return TextTable, ()

    def __len__(self) -> int:
        return len(self._texts)

    def cut_with(self, shorten: Callable[[str], str]) -> None:
        """Keep texts as they are read, see `Alphabet.shorten`: long ones would fill the memory."""
        with self._lock:
            self._shorten = shorten
            self._clear()

    def look_up(self, hashes: NDArray[np.uint64], docs: Sequence[Doc]) -> Seen:
        """hashes: (n_tokens,), of the Docs' tokens, Doc after Doc."""
        with self._lock:
            numbers = self._numbers(hashes, docs)
            return Seen(self._texts, numbers, self._spaces[numbers])

    def _numbers(self, hashes: NDArray[np.uint64], docs: Sequence[Doc]) -> NDArray[np.int64]:
        if len(self._texts) > CAPACITY:
            self._clear()
        places = _places(hashes)
        numbers: NDArray[np.int64] = self._number_at[places]
        missed = np.flatnonzero(self._hash_at[places] != hashes)
        if len(missed):
            new, first, which = np.unique(hashes[missed], return_index=True, return_inverse=True)
            found = self._numbers_of(new, _tokens(docs, missed[first]))
            numbers[missed] = found[which]
            self._hash_at[_places(new)], self._number_at[_places(new)] = new, found
        return numbers

    def _numbers_of(self, hashes: NDArray[np.uint64], tokens: Iterable[Token]) -> NDArray[np.int64]:
        """hashes: each once. tokens: one of each."""
        for key, token in zip(hashes.tolist(), tokens, strict=True):
            if key not in self._number_of:
                number = self._number_of[key] = len(self._texts)
                self._texts.append(self._shorten(token.text))
                if number == len(self._spaces):
                    self._spaces = np.concatenate([self._spaces, np.zeros_like(self._spaces)])
                self._spaces[number] = token.is_space
        return np.asarray([self._number_of[key] for key in hashes.tolist()], dtype=np.int64)

    def _clear(self) -> None:
        # A new list: who still has the old one has the texts of its numbers.
        self._texts: list[str] = []
        self._number_of: dict[int, int] = {}
        self._number_at = np.zeros(PLACES, dtype=np.int64)
        # What is no hash of the place.
        self._hash_at = np.arange(PLACES, dtype=np.uint64) ^ np.uint64(1)


def _places(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    places: NDArray[np.int64] = (hashes & np.uint64(PLACES - 1)).astype(np.int64)
    return places


def _tokens(docs: Sequence[Doc], rows: NDArray[np.int64]) -> Iterator[Token]:
    """Tokens by their rows among those of all Docs, made one by one."""
    ends = np.cumsum([len(doc) for doc in docs])
    numbers = np.searchsorted(ends, rows, side="right")
    for number, row in zip(numbers.tolist(), (rows - ends[numbers]).tolist(), strict=True):
        yield docs[number][row]
