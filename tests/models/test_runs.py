"""Facts about objects, kept as long as these live."""

from collections import deque

from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_elmo.models.runs import WeakTable


def test_as_long_as_the_object_lives() -> None:
    table: WeakTable[Doc, str] = WeakTable()
    doc = Doc(Vocab(), ["a"])
    number = id(doc)
    assert table.get(number) == (None, None)
    table.put([(number, doc, "first")])
    table.put([(number, doc, "second")])
    found, value = table.get(number)
    assert found is doc
    assert value == "second"
    del doc, found
    assert table.get(number) == (None, None)


def test_it_does_not_grow() -> None:
    table: WeakTable[Doc, None] = WeakTable()
    vocab = Vocab()
    alive: deque[Doc] = deque(maxlen=3000)
    largest = 0
    for _ in range(20):
        docs = [Doc(vocab) for _ in range(1000)]
        table.put((id(doc), doc, None) for doc in docs)
        alive.extend(docs)
        largest = max(largest, len(table))
    assert 4096 < largest <= 8000
    assert all(table.get(id(doc))[0] is doc for doc in alive)
