from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.layer_cache.sentences import DIGEST_BYTES, digests

# Every code point, lone halves of surrogate pairs among them, and many texts that differ by their tokens alone.
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=5) | st.text("a \0,\"'", max_size=3)


@given(st.lists(st.lists(TEXTS, max_size=4), max_size=6))
def test_equal_for_equal_sentences_alone(sentences: list[list[str]]) -> None:
    got = digests(sentences)
    assert all(len(digest) == DIGEST_BYTES for digest in got)
    for one, first in zip(sentences, got):
        for other, second in zip(sentences, got):
            assert (one == other) == (first == second)
    assert digests([tuple(sentence) for sentence in sentences]) == got


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["a b"], ["a", "b"]),
        (["a", ""], ["", "a"]),
        ([""], []),
        ([""], ["", ""]),
        (["\ud83d\ude00"], ["\U0001f600"]),
        (["\ud83d"], ["\ud83e"]),
        (["é"], ["e\u0301"]),
        (["\0"], [""]),
        # What the lengths of one look like as text of the other.
        (["\x01\0\0\0a"], ["a"]),
    ],
)
def test_boundaries(one: list[str], other: list[str]) -> None:
    assert len(set(digests([one, other]))) == 2


def test_never_changes() -> None:
    """Files outlive processes and versions."""
    assert [digest.hex() for digest in digests([["I", "love", "NLP"], []])] == [
        "0e80fc1f325fa08bf76c1cca1dda1f95",
        "11d2df4e979aa105cf552e9544ebd2b5",
    ]


@pytest.mark.parametrize(
    ("sentences", "match"),
    [
        ("I love NLP", r"EL033.*sentence 0 is 'I'"),
        ([["a"], "I love NLP"], r"EL033.*sentence 1 is 'I love NLP'.*tokenize first"),
        ([["a"], None], r"EL033.*sentence 1 is None"),
        ([["a"], ["b", 3]], r"EL034.*token 1 of sentence 1 is 3"),
        ([[b"a"]], r"EL034.*token 0 of sentence 0 is b'a'"),
        ([b"ab"], r"EL033.*sentence 0 is b'ab'"),
    ],
)
def test_sentences_that_are_no_tokens(sentences: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        digests(sentences)
