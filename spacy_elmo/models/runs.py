"""Facts about objects, as long as these live."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from threading import Event
from typing import Any, Generic, TypeVar
from weakref import ReferenceType, ref

from spacy.tokens import Doc

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


_runs: "WeakTable[Doc, list[ReferenceType[Any]]]" = WeakTable()
# Docs that are cut out of another one share its hooks, which are the only thing of it that they keep for sure.
_wholes: "WeakTable[Doc, None]" = WeakTable()
# Embedders' arrays that became doc.tensor. Docs that are cut out have views of them.
_tensors: "WeakTable[Any, None]" = WeakTable()
# Whether anybody in this process may ever ask.
_are_enabled = Event()


def enable_runs() -> None:
    """Have runs noted from now on."""
    _are_enabled.set()


def note_run(docs: Iterable[Doc], embedder: Any) -> None:
    """Remember, as long as they all live, that this embedder is at work on the Docs."""
    if not _are_enabled.is_set():
        return
    made = ref(embedder)
    docs = list(docs)
    _runs.put((id(doc), doc, _append_run(_get_runs(doc), made)) for doc in docs)
    _wholes.put(_list_new_wholes(docs))


def note_tensors(tensors: Iterable[Any]) -> None:
    """Remember, as long as they live, that an embedder has made these arrays to be doc.tensor."""
    roots = [*map(_get_root, tensors)]
    _tensors.put(zip(map(id, roots), roots, repeat(None)))


def is_own_tensor(tensor: Any) -> bool:
    """Whether an embedder has made it, or the array that it is a part of."""
    root = _get_root(tensor)
    return _tensors.get(id(root))[0] is root


def find_run(doc: Doc, name: str = "*") -> Any | None:
    """The last embedder at work on a Doc, or on the one that it was cut out of.

    name: the embedder's; "*": any.
    """
    found = _get_runs(doc)
    if not found:
        whole = _find_whole(doc)
        found = [] if whole is None else _get_runs(whole)
    embedders = [embedder for embedder in (one() for one in found) if embedder is not None]
    return next((one for one in reversed(embedders) if name in ("*", one.name)), None)


def find_common(docs: Iterable[Doc], name: str) -> Any | None:
    """The embedder that `find_run` gives for all of the Docs; None if they differ, or there is none."""
    found: dict[int, Any] = {id(embedder): embedder for embedder in (find_run(doc, name) for doc in docs)}
    return next(iter(found.values())) if len(found) == 1 else None


def _get_runs(doc: Doc) -> list[ReferenceType[Any]]:
    noted, found = _runs.get(id(doc))
    return found if noted is doc and found is not None else []


def _append_run(before: list[ReferenceType[Any]], made: ReferenceType[Any]) -> list[ReferenceType[Any]]:
    return [*(one for one in before if one != made), made] if before else [made]


def _list_new_wholes(docs: Iterable[Doc]) -> Iterator[tuple[int, Doc, None]]:
    for doc in docs:
        # Not if it is a part of another one itself.
        if _find_whole(doc) is None:
            yield id(doc.user_token_hooks), doc, None


def _find_whole(doc: Doc) -> Doc | None:
    """The Doc that this one was cut out of, or itself, if an embedder has run it and it still lives."""
    hooks = doc.user_token_hooks
    whole, _ = _wholes.get(id(hooks))
    return None if whole is None or whole.user_token_hooks is not hooks else whole


def _get_root(array: Any) -> Any:
    base = getattr(array, "base", None)
    return array if base is None else base
