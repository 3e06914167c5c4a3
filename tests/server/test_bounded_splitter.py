"""Texts of strangers: split as `Elmo.embed_texts` does, but never for long."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
import spacy

from spacy_elmo.server.bounded_splitter import WORD_CHARACTERS, BoundedSplitter
from spacy_elmo.server.limits import Limits
from spacy_elmo.splitter import make_splitter, split_texts
from tests.server.running import Running, get_error

TEXTS = ["I love NLP.  It is\nfun!", "¿Qué? \U0001f600", "This day sucks"]


@pytest.fixture
def splitter() -> BoundedSplitter:
    return BoundedSplitter(make_splitter("en"), limits=Limits(max_tokens=100))


def test_same_sentences(splitter: BoundedSplitter) -> None:
    texts = [*TEXTS, " ".join(TEXTS * 5)]
    assert splitter.split(texts) == list(split_texts(texts))
    assert splitter.split(["", TEXTS[0], " \n"]) == list(split_texts(TEXTS[:1]))
    assert splitter.split([]) == []


def test_words_are_forgotten(splitter: BoundedSplitter) -> None:
    """Of a request's words nothing stays in memory."""
    nlp = make_splitter("en")
    splitter = BoundedSplitter(nlp, limits=Limits())
    splitter.split(["a first text"])
    # The length of a vocabulary counts words that it has forgotten, too.
    n_strings, n_words = len(nlp.vocab.strings), sum(1 for _ in nlp.vocab)
    for number in range(50):
        splitter.split([" ".join(f"word{number}x{k}" for k in range(50))])
    assert (len(nlp.vocab.strings), sum(1 for _ in nlp.vocab)) == (n_strings, n_words)


def test_threads(splitter: BoundedSplitter) -> None:
    expected = list(split_texts(TEXTS))
    barrier = threading.Barrier(8)

    def split(number: int) -> bool:
        barrier.wait(10)
        return all(splitter.split(TEXTS) == expected for _ in range(20))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(split, range(8)))


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a " * 101], "101 or more tokens, but 100 are allowed"),
        (["a"] * 101, "101 lines, but 100 are allowed"),
        (["a b"] * 51, "102 or more tokens, but 100 are allowed"),
        (["x"] * 50 + ["a!"] * 26, "102 or more tokens, but 100 are allowed"),
    ],
)
def test_too_many(splitter: BoundedSplitter, texts: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=f"EL340.*{words}") as caught:
        splitter.split(texts)
    assert getattr(caught.value, "status", None) == 413


@pytest.mark.parametrize("text", ["!" * 200_000, "'s" * 100_000, "\U0001f600" * 60_000, "! " * 100_000])
def test_texts_that_take_long(splitter: BoundedSplitter, text: str) -> None:
    """spaCy's tokenizer would take minutes to hours."""
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"EL359|EL340"):
        splitter.split([text])
    assert time.monotonic() - start < 3


def test_other_threads_run_meanwhile() -> None:
    """Also while spaCy's tokenizer, which has no Python code, splits words that take it long."""
    splitter = BoundedSplitter(make_splitter("en"), limits=Limits())
    text = " ".join(str(number) + "@a:" * 330 for number in range(60))
    with ThreadPoolExecutor() as threads:
        start = time.monotonic()
        work = threads.submit(splitter.split, [text])
        times = [start]
        while not work.done():
            time.sleep(0.001)
            times.append(time.monotonic())
        assert len(work.result()) == 1
    longest = max(later - earlier for earlier, later in pairwise(times))
    assert longest < (times[-1] - start) / 4


def test_long_word(served: Running) -> None:
    assert served.post({"text": "x" * WORD_CHARACTERS}).ok
    code, message = get_error(served.post({"text": "well, " + "x" * (WORD_CHARACTERS + 1)}), 413)
    assert code == "EL359"
    assert message.startswith(
        "A word of the text has 1,001 characters without a space ('xxxxxxxxxxxxxxxxxxxx'...)"
    )
    assert "Put spaces into it, or give 'tokens'." in message
    assert served.post({"tokens": ["x" * 200_000]}).ok


def test_languages_without_spaces() -> None:
    splitter = BoundedSplitter(make_splitter("zh"), limits=Limits(max_tokens=3_000))
    [sentences] = splitter.split(["你好。" * 800])
    assert sum(len(sentence.tokens) for sentence in sentences) == 2_400


def test_no_language() -> None:
    with pytest.raises(ValueError, match=r"EL246.*'xyz'"):
        make_splitter("xyz")


def test_tokenizer_of_a_pipeline() -> None:
    nlp = make_splitter("en")
    tokenizer: Any = spacy.blank("en").tokenizer
    nlp.tokenizer = tokenizer
    tokenizer.add_special_case("NLP", [{"ORTH": "N"}, {"ORTH": "LP"}])
    [[sentence]] = BoundedSplitter(nlp, limits=Limits()).split(["I love NLP"])
    assert sentence.tokens == ["I", "love", "N", "LP"]
