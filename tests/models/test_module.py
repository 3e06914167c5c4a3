"""A model that several threads use first at the same time."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy

from spacy_elmo.models import module
from tests.components import get_embedder


def test_weights_are_read_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = spacy.blank("en")
    embedder = nlp.add_pipe("elmo_embedder", config={"source": str(tiny)})
    reads: list[Any] = []
    read, all_there = module.read_weights, threading.Barrier(8)

    def count(source: Any) -> Any:
        reads.append(source)
        # Others have time to come.
        threading.Event().wait(0.2)
        return read(source)

    def use(number: int) -> Any:
        all_there.wait()
        return embedder(nlp.make_doc("green eggs")).tensor

    monkeypatch.setattr(module, "read_weights", count)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(use, range(8))]
    assert len(reads) == 1
    for tensor in found[1:]:
        np.testing.assert_array_equal(tensor, found[0])


def test_long_tokens_leave_nothing_behind(tiny: Path) -> None:
    """Of 40 MB, those of the last token may still be there."""
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": str(tiny)})
    embedder = get_embedder(nlp)
    embedder(nlp.make_doc("green eggs"))
    elmo = embedder.elmo
    tracemalloc.start()
    try:
        for number in range(20):
            token = f"{number}" + "x" * 1_000_000
            elmo.embed([[token]])
            embedder(spacy.tokens.Doc(spacy.vocab.Vocab(), words=[token]))
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()
