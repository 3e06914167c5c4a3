"""Word embeddings by word type: each is computed once, while there is room for it."""

from threading import Lock
from typing import Callable, Dict, List, Sequence

import numpy as np
import torch
from torch import Tensor

# 16,384 rows of 512 float32 numbers take 32 MiB.
CAPACITY = 16384
FIRST_ROWS = 1024


class WordTable:
    """A bounded table. When it is full, the word types that were not asked for longest make room. Several threads
    may ask at a time.

    encode: word types -> (n_types, P); what a type gives must not depend on the others.
    capacity: most word types that are kept.
    """

    def __init__(self, encode: Callable[[Sequence[str]], Tensor], *, width: int, capacity: int = CAPACITY):
        self._encode = encode
        self._capacity = capacity
        self._row_of: Dict[str, int] = {}
        self._type_in: List[str] = []
        self._words = torch.empty(0, width)
        self._last_asked = np.zeros(capacity, dtype=np.int64)
        self._asked = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._row_of)

    def look_up(self, types: Sequence[str]) -> Tensor:
        """types: each once. RETURNS: (n_types, P)."""
        with self._lock:
            return self._look_up(types)

    def _look_up(self, types: Sequence[str]) -> Tensor:
        self._asked += 1
        rows = np.asarray([self._row_of.get(text, -1) for text in types], dtype=np.int64)
        known, new = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
        self._last_asked[rows[known]] = self._asked
        words = torch.empty(len(types), self._words.size(1))
        words[torch.from_numpy(known)] = self._words[torch.from_numpy(rows[known])]
        if len(new):
            texts = [types[i] for i in new.tolist()]
            encoded = self._encode(texts)
            words[torch.from_numpy(new)] = encoded
            self._keep(texts, encoded, room=self._capacity - len(known))
        return words

    def _keep(self, types: Sequence[str], words: Tensor, *, room: int) -> None:
        """Store word types; those beyond `room` would drive out others of the same call, and are not kept."""
        types = types[:room]
        fresh = min(len(types), self._capacity - len(self._type_in))
        taken = np.arange(len(self._type_in), len(self._type_in) + fresh)
        self._type_in.extend(types[:fresh])
        # Marked before any row is taken away: what has just been filled is not the oldest.
        self._last_asked[taken] = self._asked
        over = len(types) - fresh
        if over:
            oldest = np.argpartition(self._last_asked, over - 1)[:over]
            for row, text in zip(oldest.tolist(), types[fresh:]):
                del self._row_of[self._type_in[row]]
                self._type_in[row] = text
            taken = np.concatenate([taken, oldest])
        self._grow(len(self._type_in))
        self._row_of.update(zip(types, taken.tolist()))
        self._last_asked[taken] = self._asked
        self._words[torch.from_numpy(taken)] = words[: len(types)]

    def _grow(self, n_rows: int) -> None:
        if n_rows > len(self._words):
            size = min(self._capacity, max(FIRST_ROWS, 2 * len(self._words), n_rows))
            grown = torch.empty(size, self._words.size(1))
            grown[: len(self._words)] = self._words
            self._words = grown
