"""A bounded cache of word embeddings by word type."""

from collections.abc import Callable, Sequence
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..gpu.transfer import to_device
from ..runtime.forks import ForkLock
from .sentences import EncodedSentences

Rows = NDArray[np.int64]

# 16,384 rows of 512 float32 numbers take 32 MiB.
CAPACITY = 16384
FIRST_ROWS = 1024
CPU = torch.device("cpu")


class NumberedRows:
    """The rows of encoded texts in a table, for the last list of texts.

    Each number has a row, and each row the number that it holds. A row that is reused for another text need not be
    removed from the numbers: the row's own number shows that it changed.

    capacity (int): Rows of the table.
    """

    def __init__(self, capacity: int):
        self._texts: Sequence[str] = ()
        self._row_of: Rows = np.zeros(0, dtype=np.int64)
        self._number_in: Rows = np.full(capacity, -1, dtype=np.int64)

    def find(self, coded: EncodedSentences) -> Rows:
        """Find the rows of tokens.

        coded (EncodedSentences): The tokens.
        RETURNS (Rows): The row of each token, (n_tokens,); -1 if it has none.
        """
        if coded.texts is not self._texts:
            self._texts = coded.texts
            self._number_in.fill(-1)
        lacking = len(coded.texts) - len(self._row_of)
        if lacking > 0:
            more = np.zeros(max(lacking, len(self._row_of)), dtype=np.int64)
            self._row_of = np.concatenate([self._row_of, more])
        rows: Rows = self._row_of[coded.numbers]
        rows[self._number_in[rows] != coded.numbers] = -1
        return rows

    def note(self, numbers: Rows, rows: Rows) -> None:
        """Store the rows of numbers, for the list of texts of the last `find`.

        numbers (Rows): The numbers of texts.
        rows (Rows): The row of each.
        """
        self._row_of[numbers] = rows
        self._number_in[rows] = numbers

    def forget(self, rows: Rows) -> None:
        """Remove rows, which are reused for other texts.

        rows (Rows): The rows.
        """
        self._number_in[rows] = -1


class WordTable:
    """A bounded table of embeddings. When it is full, the least recently used word types are replaced. Several
    threads may use it.

    encode (Callable[[Sequence[str]], Tensor]): Computes embeddings of word types, (n_types, P), on the device;
        that of a type must not depend on the others.
    width (int): Columns of an embedding, P.
    capacity (int): The most word types that are kept.
    device (torch.device): The device of the embeddings.
    shorten (Callable[[str], str]): Truncates a text to what is read of it, see `Alphabet.shorten`. Only truncated
        texts are kept, so that long tokens do not fill the memory.
    """

    def __init__(
        self,
        encode: Callable[[Sequence[str]], Tensor],
        *,
        width: int,
        capacity: int = CAPACITY,
        device: torch.device = CPU,
        shorten: Callable[[str], str] = str,
    ):
        self._encode = encode
        self._shorten = shorten
        self._device = device
        self._capacity = capacity
        self._width = width
        self._lock = ForkLock(self._clear)
        self._clear()

    def _clear(self) -> None:
        self._row_of: dict[str, int] = {}
        self._type_in: list[str] = []
        self._numbered = NumberedRows(self._capacity)
        self._words = torch.empty(0, self._width, dtype=torch.float32, device=self._device)
        self._last_asked = np.zeros(self._capacity, dtype=np.int64)
        self._asked = 0

    def __len__(self) -> int:
        return len(self._row_of)

    def look_up(self, types: Sequence[str]) -> Tensor:
        """Get the embeddings of word types.

        types (Sequence[str]): The word types, each once.
        RETURNS (Tensor): (n_types, P).
        """
        with self._lock:
            self._asked += 1
            rows = self._get_rows(types)
            new = np.flatnonzero(rows < 0)
            if len(new):
                # Long texts are stored by the part that is read.
                texts = [self._shorten(types[i]) for i in new.tolist()]
                rows[new] = self._get_rows(texts)
            known, lacking = np.flatnonzero(rows >= 0), rows[new] < 0
            self._last_asked[rows[known]] = self._asked
            if lacking.any():
                return self._encode_lacking(texts, rows, new=new, known=known, lacking=lacking)
            if self._device.type == "cpu":
                # By NumPy, on this thread alone.
                return torch.from_numpy(self._words.numpy()[rows])
            return self._words.index_select(0, self._on_device(rows))

    def locate(self, tokens: Sequence[str]) -> "tuple[Tensor, NDArray[np.int64]] | None":
        """Put tokens into the table, and find their rows, which are valid until the next call.

        tokens (Sequence[str]): The tokens.
        RETURNS (tuple[Tensor, NDArray[np.int64]] | None): The table, (n_rows, P), and the row of each token,
            (n_tokens,); None if the table has no room for so many types.
        """
        with self._lock:
            return self._locate(tokens)

    def locate_encoded(self, batch: EncodedSentences) -> "tuple[Tensor, NDArray[np.int64]] | None":
        """Put encoded tokens into the table, as `locate`. Texts of tokens that are in the table are not read.

        batch (EncodedSentences): The tokens.
        RETURNS (tuple[Tensor, NDArray[np.int64]] | None): See `locate`.
        """
        with self._lock:
            return self._locate_encoded(batch)

    def _locate_encoded(self, batch: EncodedSentences) -> "tuple[Tensor, NDArray[np.int64]] | None":
        self._asked += 1
        rows = self._numbered.find(batch)
        new = np.flatnonzero(rows < 0)
        self._last_asked[rows[rows >= 0] if len(new) else rows] = self._asked
        if len(new):
            numbers = np.unique(batch.numbers[new])
            found = self._find_rows([batch.texts[number] for number in numbers.tolist()])
            if found is None:
                return None
            self._numbered.note(numbers, found)
            rows[new] = found[np.searchsorted(numbers, batch.numbers[new])]
        return self._words, rows

    def _locate(self, tokens: Sequence[str]) -> "tuple[Tensor, NDArray[np.int64]] | None":
        self._asked += 1
        rows = self._get_rows(tokens)
        new = np.flatnonzero(rows < 0)
        self._last_asked[rows[rows >= 0] if len(new) else rows] = self._asked
        if len(new):
            types = list(dict.fromkeys(map(tokens.__getitem__, new.tolist())))
            found = self._find_rows(types)
            if found is None:
                return None
            row_of = dict(zip(types, found.tolist(), strict=True))
            rows[new] = [row_of[tokens[i]] for i in new.tolist()]
        return self._words, rows

    def _find_rows(self, types: Sequence[str]) -> "NDArray[np.int64] | None":
        """Put types into the table, without replacing others of the same call, and return their rows; None if
        there is no room for all."""
        texts = [*map(self._shorten, types)]
        rows = self._get_rows(texts)
        self._last_asked[rows[rows >= 0]] = self._asked
        new = list(dict.fromkeys(texts[i] for i in np.flatnonzero(rows < 0).tolist()))
        if new:
            room = self._room()
            if len(new) > room:
                return None
            self._keep(new, self._encode(new), room=room)
            rows = self._get_rows(texts)
        return rows

    def _room(self) -> int:
        """Count the rows that hold no type of this call."""
        return self._capacity - int(np.count_nonzero(self._last_asked == self._asked))

    def _get_rows(self, texts: Sequence[str]) -> "NDArray[np.int64]":
        """Get the row of each text; -1 if it has none."""
        return np.fromiter(map(self._row_of.get, texts, repeat(-1)), dtype=np.int64, count=len(texts))

    def _encode_lacking(
        self, texts: Sequence[str], rows: Rows, *, new: Rows, known: Rows, lacking: NDArray[np.bool_]
    ) -> Tensor:
        """Encode the types that have no row, and keep them.

        texts (Sequence[str]): The texts of the types at the places `new`, (n_new,).
        rows (Rows): The row of each type, (n_types,); -1 if it has none.
        new (Rows): Places of types without a row under their full text, (n_new,).
        known (Rows): Places of types with a row.
        lacking (NDArray[np.bool_]): Whether each of `new` has no row at all, (n_new,).
        RETURNS (Tensor): (n_types, P).
        """
        words = self._words.new_empty(len(rows), self._words.size(1))
        words[self._on_device(known)] = self._words[self._on_device(rows[known])]
        number_of: dict[str, int] = {}
        numbers = [number_of.setdefault(texts[i], len(number_of)) for i in np.flatnonzero(lacking).tolist()]
        encoded = self._encode([*number_of])
        words[self._on_device(new[lacking])] = encoded[self._on_device(np.asarray(numbers, dtype=np.int64))]
        self._keep([*number_of], encoded, room=self._room())
        return words

    def _on_device(self, rows: "NDArray[np.int64]") -> Tensor:
        return to_device(rows, self._device)

    def _keep(self, types: Sequence[str], words: Tensor, *, room: int) -> None:
        """Store word types. Those beyond `room` would replace others of the same call, and are not stored."""
        types = types[:room]
        before = len(self._type_in)
        fresh = min(len(types), self._capacity - before)
        taken = np.arange(before, before + fresh)
        self._grow(before + fresh)
        over = len(types) - fresh
        oldest = taken[:0]
        if over:
            # Set before any row is replaced: rows that are filled now are not the oldest.
            self._last_asked[taken] = self._asked
            oldest = np.argpartition(self._last_asked, over - 1)[:over]
            self._give_away(oldest)
            taken = np.concatenate([taken, oldest])
        # Memory may run out here: the texts of the rows are stored only afterwards.
        self._words[self._on_device(taken)] = words[: len(types)]
        self._type_in.extend(types[:fresh])
        for row, text in zip(oldest.tolist(), types[fresh:], strict=True):
            self._type_in[row] = text
        self._row_of.update(zip(types, taken.tolist(), strict=True))
        self._last_asked[taken] = self._asked

    def _give_away(self, rows: "NDArray[np.int64]") -> None:
        for row in rows.tolist():
            # If an earlier replacement failed, the text of this row may be stored in another row by now.
            if self._row_of.get(self._type_in[row]) == row:
                del self._row_of[self._type_in[row]]
        self._numbered.forget(rows)

    def _grow(self, n_rows: int) -> None:
        if n_rows > len(self._words):
            size = min(self._capacity, max(FIRST_ROWS, 2 * len(self._words), n_rows))
            grown = self._words.new_empty(size, self._words.size(1))
            grown[: len(self._words)] = self._words
            self._words = grown
