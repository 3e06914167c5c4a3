"""Which embedders have run a Doc. A pipeline does not tell its components of each other; the Docs do."""

from typing import Any, Dict, Iterable, List, Optional
from weakref import ReferenceType, WeakKeyDictionary, WeakValueDictionary, ref

from spacy.tokens import Doc

_runs: "WeakKeyDictionary[Doc, List[ReferenceType[Any]]]" = WeakKeyDictionary()
# Docs that are cut out of another one share its hooks, which are the only thing of it that they keep for sure.
_wholes: "WeakValueDictionary[int, Doc]" = WeakValueDictionary()
# Embedders' arrays that became doc.tensor. Docs that are cut out have views of them.
_tensors: "WeakValueDictionary[int, Any]" = WeakValueDictionary()


def note_run(docs: Iterable[Doc], embedder: Any) -> None:
    """Remember, as long as they all live, that this embedder is at work on the Docs."""
    made = ref(embedder)
    for doc in docs:
        before = _runs.get(doc)
        _runs[doc] = [made] if before is None else [*(one for one in before if one != made), made]
        # Not if it is a part of another one itself.
        if _find_whole(doc) is None:
            _wholes[id(doc.user_token_hooks)] = doc


def note_tensor(tensor: Any) -> None:
    """Remember, as long as it lives, that an embedder has made an array to be doc.tensor."""
    root = _root(tensor)
    _tensors[id(root)] = root


def is_own_tensor(tensor: Any) -> bool:
    """Whether an embedder has made it, or the array that it is a part of."""
    root = _root(tensor)
    return _tensors.get(id(root)) is root


def find_run(doc: Doc, name: str = "*") -> Optional[Any]:
    """The last embedder at work on a Doc, or on the one that it was cut out of.

    name: the embedder's; "*": any.
    """
    found = _runs.get(doc)
    if found is None:
        whole = _find_whole(doc)
        found = [] if whole is None else _runs.get(whole, [])
    embedders = [embedder for embedder in (one() for one in found) if embedder is not None]
    return next((one for one in reversed(embedders) if name in ("*", one.name)), None)


def find_common(docs: Iterable[Doc], name: str) -> Optional[Any]:
    """The embedder that `find_run` gives for all of the Docs; None if they differ, or there is none."""
    found: Dict[int, Any] = {id(embedder): embedder for embedder in (find_run(doc, name) for doc in docs)}
    return next(iter(found.values())) if len(found) == 1 else None


def _find_whole(doc: Doc) -> Optional[Doc]:
    """The Doc that this one was cut out of, or itself, if an embedder has run it and it still lives."""
    whole = _wholes.get(id(doc.user_token_hooks))
    return None if whole is None or whole.user_token_hooks is not doc.user_token_hooks else whole


def _root(array: Any) -> Any:
    base = getattr(array, "base", None)
    return array if base is None else base
