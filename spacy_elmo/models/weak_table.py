"""Facts about objects, as long as these live."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar
from weakref import ReferenceType, ref

from ..runtime.forks import ForkLock

O = TypeVar("O")  # noqa: E741
V = TypeVar("V")
# Entries of objects that are gone are dropped when there are so many, or twice as many as the last time.
_LEAST = 4096


class WeakTable(Generic[O, V]):
    """By the number of an object, `id`: the object whose life counts, itself as a rule, and a value.

    A `WeakKeyDictionary` runs code of its own for every object that comes and every one that goes.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[ReferenceType[O], V]] = {}
        self._most = _LEAST
        self._lock = ForkLock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entries: Iterable[tuple[int, O, V]]) -> None:
        """entries (Iterable[tuple[int, O, V]]): Number, object and value of each."""
        with self._lock:
            for number, lives, value in entries:
                self._entries[number] = (ref(lives), value)
            if len(self._entries) > self._most:
                alive = {number: entry for number, entry in self._entries.items() if entry[0]() is not None}
                self._entries = alive
                self._most = max(_LEAST, 2 * len(self._entries))

    def get(self, number: int) -> tuple[O | None, V | None]:
        """RETURNS (Tuple): The object and the value; None twice if the object is gone, or there never was one.
        Another one may have its number by now: see whether it is the object that is meant."""
        entry: Any = self._entries.get(number)
        lives = None if entry is None else entry[0]()
        return (None, None) if lives is None else (lives, entry[1])
