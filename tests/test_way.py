"""How far a Doc, a sentence and a source go: files and functions of this package that are entered on the way.

A short way can be read. Whoever needs more than these figures has made the next reader's way longer: look whether
something only passes on, is asked again, or belongs to a neighbour.
"""

import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
import spacy

import spacy_elmo
from spacy_elmo.models import runs
from spacy_elmo.runtime.threads import own_threads
from tests.components import get_embedder
from tests.data import Measured

PACKAGE = str(Path(spacy_elmo.__file__).parent)
WORDS = ["I", "love", "NLP", "very", "much"]


def follow(work: Callable[[], object]) -> tuple[Counter[CodeType], Counter[CodeType]]:
    """Count the calls of this package's functions; comprehensions and lambdas are functions, too.

    work (Callable): What is followed.
    RETURNS (tuple[Counter, Counter]): Calls in this thread, and in threads that it has started.
    """
    here: Counter[CodeType] = Counter()
    beside: Counter[CodeType] = Counter()

    def note(calls: Counter[CodeType]) -> Callable[[FrameType, str, Any], None]:
        def trace(frame: FrameType, event: str, _argument: Any) -> None:
            code = frame.f_code
            # The bodies of modules and classes run once, when they are imported.
            is_function = code.co_flags & inspect.CO_NEWLOCALS
            if event == "call" and is_function and code.co_filename.startswith(PACKAGE):
                calls[code] += 1

        return trace

    threading.setprofile(note(beside))
    sys.setprofile(note(here))
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return here, beside


def describe(name: str, here: Counter[CodeType], beside: Counter[CodeType]) -> str:
    files = {code.co_filename for code in here}
    text = f"{name}: {len(files)} files, {len(here)} functions, {here.total()} calls"
    more = {code.co_filename for code in beside} - files
    return f"{text}; by other threads {len(more)} files, {len(beside)} functions more" if beside else text


def embed(n_threads: int) -> Callable[[], object]:
    elmo = spacy_elmo.load("en_sm", n_threads=n_threads)
    elmo.embed([WORDS])
    return lambda: elmo.embed([WORDS])


def pipe(n_threads: int) -> Callable[[], object]:
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"model": {"n_threads": n_threads}})
    embedder = get_embedder(nlp)
    docs = [nlp.make_doc(" ".join(WORDS)) for _ in range(3)]
    for doc in docs[:2]:
        list(embedder.pipe([doc]))
    # With the pipeline, which the component knows as long as it lives.
    return lambda: (nlp, list(embedder.pipe(docs[2:])))


def load(n_threads: int) -> Callable[[], object]:
    spacy_elmo.load("en_sm", n_threads=n_threads)
    return lambda: spacy_elmo.load("en_sm", n_threads=n_threads)


# With two threads, the LSTMs run in others than the one that is followed; with one, all stands in a row.
@pytest.mark.parametrize(
    ("prepare", "n_threads", "n_files", "n_functions"),
    [
        (pipe, 2, 20, 90), (pipe, 1, 29, 141),
        (embed, 2, 12, 50), (embed, 1, 21, 89),
        (load, 2, 20, 88), (load, 1, 23, 104),
    ],
)  # fmt: skip
def test_way(
    prepare: Callable[[int], Callable[[], object]],
    n_threads: int,
    n_files: int,
    n_functions: int,
    measured: Measured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A listener that anybody in this process ever made has runs noted, which it asks for.
    monkeypatch.setattr(runs, "_are_enabled", threading.Event())
    with own_threads(n_threads):
        here, beside = follow(prepare(n_threads))
    measured(describe(f"{prepare.__name__}, {n_threads} threads", here, beside))
    assert len({code.co_filename for code in here}) <= n_files
    # From Python 3.12 on, comprehensions are part of the function that they stand in.
    assert len(here) <= n_functions
    # What is counted is the way itself.
    assert len(here) > n_functions / 2
