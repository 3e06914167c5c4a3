"""Which embedders have run a Doc. A pipeline does not tell its components of each other; the Docs do."""

from collections.abc import Iterable, Iterator
from itertools import repeat
from threading import Event
from typing import Any
from weakref import ReferenceType, ref

from spacy.tokens import Doc

from .weak_table import WeakTable

_runs: "WeakTable[Doc, list[ReferenceType[Any]]]" = WeakTable()
# Docs that are cut out of another one share its hooks, which are the only thing of it that they keep for sure.
_wholes: "WeakTable[Doc, None]" = WeakTable()
# Embedders' arrays that became doc.tensor. Docs that are cut out have views of them.
_tensors: "WeakTable[Any, None]" = WeakTable()
# Whether anybody in this process may ever ask.
_is_asked = Event()


def ask_for_runs() -> None:
    """Have runs noted from now on."""
    _is_asked.set()


def note_run(docs: Iterable[Doc], embedder: Any) -> None:
    """Remember, as long as they all live, that this embedder is at work on the Docs."""
    if not _is_asked.is_set():
        return
    made = ref(embedder)
    docs = list(docs)
    _runs.put((id(doc), doc, _with(_runs_of(doc), made)) for doc in docs)
    _wholes.put(_new_wholes(docs))


def note_tensors(tensors: Iterable[Any]) -> None:
    """Remember, as long as they live, that an embedder has made these arrays to be doc.tensor."""
    roots = [_root(tensor) for tensor in tensors]
    _tensors.put(zip(map(id, roots), roots, repeat(None)))


def is_own_tensor(tensor: Any) -> bool:
    """Whether an embedder has made it, or the array that it is a part of."""
    root = _root(tensor)
    return _tensors.get(id(root))[0] is root


def find_run(doc: Doc, name: str = "*") -> Any | None:
    """The last embedder at work on a Doc, or on the one that it was cut out of.

    name: the embedder's; "*": any.
    """
    found = _runs_of(doc)
    if not found:
        whole = _find_whole(doc)
        found = [] if whole is None else _runs_of(whole)
    embedders = [embedder for embedder in (one() for one in found) if embedder is not None]
    return next((one for one in reversed(embedders) if name in ("*", one.name)), None)


def find_common(docs: Iterable[Doc], name: str) -> Any | None:
    """The embedder that `find_run` gives for all of the Docs; None if they differ, or there is none."""
    found: dict[int, Any] = {id(embedder): embedder for embedder in (find_run(doc, name) for doc in docs)}
    return next(iter(found.values())) if len(found) == 1 else None


def _runs_of(doc: Doc) -> list[ReferenceType[Any]]:
    noted, found = _runs.get(id(doc))
    return found if noted is doc and found is not None else []


def _with(before: list[ReferenceType[Any]], made: ReferenceType[Any]) -> list[ReferenceType[Any]]:
    return [*(one for one in before if one != made), made] if before else [made]


def _new_wholes(docs: Iterable[Doc]) -> Iterator[tuple[int, Doc, None]]:
    for doc in docs:
        # Not if it is a part of another one itself.
        if _find_whole(doc) is None:
            yield id(doc.user_token_hooks), doc, None


def _find_whole(doc: Doc) -> Doc | None:
    """The Doc that this one was cut out of, or itself, if an embedder has run it and it still lives."""
    hooks = doc.user_token_hooks
    whole, _ = _wholes.get(id(hooks))
    return None if whole is None or whole.user_token_hooks is not hooks else whole


def _root(array: Any) -> Any:
    base = getattr(array, "base", None)
    return array if base is None else base
