"""Which embedders have run a Doc, and which arrays they made: remembered as long as these objects live."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from threading import Event
from typing import Generic, Protocol, TypeVar
from weakref import ReferenceType, ref

from spacy.tokens import Doc

from ..runtime.forks import ForkLock

K = TypeVar("K")
V = TypeVar("V")
# Entries of dead objects are dropped when the table has so many entries, or twice as many as the last time.
_LEAST = 4096


class Named(Protocol):
    """An embedder, as far as it matters here.

    name (str): The component's name.
    """

    name: str


class WeakTable(Generic[K, V]):
    """Values by the `id` of an object, each kept as long as an object lives: as a rule, that object.

    It stands in for a `WeakKeyDictionary`, which runs Python code whenever an object is added or dies.
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[ReferenceType[K], V]] = {}
        self._most = _LEAST
        self._lock = ForkLock()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entries: Iterable[tuple[int, K, V]]) -> None:
        """Add or replace entries.

        entries (Iterable[tuple[int, K, V]]): The number, the object whose life counts, and the value of each.
        """
        with self._lock:
            for number, lives, value in entries:
                self._entries[number] = (ref(lives), value)
            if len(self._entries) > self._most:
                alive = {number: entry for number, entry in self._entries.items() if entry[0]() is not None}
                self._entries = alive
                self._most = max(_LEAST, 2 * len(self._entries))

    def get(self, number: int) -> tuple[K | None, V | None]:
        """Get an entry. Another object may have the number by now: compare the object that is returned.

        number (int): The `id` of an object.
        RETURNS (tuple[K | None, V | None]): The object and the value; None twice if there is no entry, or the
            object is dead.
        """
        entry = self._entries.get(number)
        if entry is None:
            return None, None
        lives = entry[0]()
        return (None, None) if lives is None else (lives, entry[1])


_runs: WeakTable[Doc, list[ReferenceType[Named]]] = WeakTable()
# The original Doc by its hooks, which are all that Docs cut out of it are sure to share with it.
_wholes: WeakTable[Doc, None] = WeakTable()
# Embedders' arrays that became doc.tensor. Docs that are cut out have views of them.
_tensors: WeakTable[object, None] = WeakTable()
# Set when there is a listener in this process, which may ask for runs.
_are_enabled = Event()


def enable_runs() -> None:
    """Record runs from now on."""
    _are_enabled.set()


def note_run(docs: Iterable[Doc], embedder: Named) -> None:
    """Record that an embedder runs Docs, as long as all of them live.

    docs (Iterable[Doc]): The Docs.
    embedder (Named): The embedder.
    """
    if not _are_enabled.is_set():
        return
    made = ref(embedder)
    docs = list(docs)
    _runs.put((id(doc), doc, _append_run(_get_runs(doc), made)) for doc in docs)
    _wholes.put(_list_new_wholes(docs))


def note_tensors(tensors: Iterable[object]) -> None:
    """Record arrays that an embedder has made to be doc.tensor, as long as they live.

    tensors (Iterable[object]): The arrays.
    """
    roots = [*map(_get_root, tensors)]
    _tensors.put(zip(map(id, roots), roots, repeat(None)))


def is_own_tensor(tensor: object) -> bool:
    """Check whether an embedder has made an array, or the array that it is a view of.

    tensor (object): What doc.tensor is.
    RETURNS (bool): Whether it was recorded.
    """
    root = _get_root(tensor)
    return _tensors.get(id(root))[0] is root


def find_run(doc: Doc, name: str = "*") -> Named | None:
    """Find the last embedder that has run a Doc, or the Doc that it was cut out of.

    doc (Doc): A Doc.
    name (str): The embedder's name; "*": any.
    RETURNS (Named | None): The embedder; None if no such one is known and alive.
    """
    found = _get_runs(doc)
    if not found:
        whole = _find_whole(doc)
        found = [] if whole is None else _get_runs(whole)
    embedders = [embedder for embedder in (one() for one in found) if embedder is not None]
    return next((one for one in reversed(embedders) if name in ("*", one.name)), None)


def find_common(docs: Iterable[Doc], name: str) -> Named | None:
    """Find the embedder that `find_run` finds for every Doc.

    docs (Iterable[Doc]): The Docs.
    name (str): The embedder's name; "*": any.
    RETURNS (Named | None): The embedder; None if the Docs differ, or there is none.
    """
    found = {id(embedder): embedder for embedder in (find_run(doc, name) for doc in docs)}
    return next(iter(found.values())) if len(found) == 1 else None


def _get_runs(doc: Doc) -> list[ReferenceType[Named]]:
    noted, found = _runs.get(id(doc))
    return found if noted is doc and found is not None else []


def _append_run(before: list[ReferenceType[Named]], made: ReferenceType[Named]) -> list[ReferenceType[Named]]:
    return [*(one for one in before if one != made), made] if before else [made]


def _list_new_wholes(docs: Iterable[Doc]) -> Iterator[tuple[int, Doc, None]]:
    for doc in docs:
        # A Doc that was cut out of another one is no original.
        if _find_whole(doc) is None:
            yield id(doc.user_token_hooks), doc, None


def _find_whole(doc: Doc) -> Doc | None:
    """Find the Doc that this one was cut out of, or itself, if an embedder has run it and it is alive."""
    hooks = doc.user_token_hooks
    whole, _ = _wholes.get(id(hooks))
    return None if whole is None or whole.user_token_hooks is not hooks else whole


def _get_root(array: object) -> object:
    base: object = getattr(array, "base", None)
    return array if base is None else base
