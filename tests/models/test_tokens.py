"""Docs become sentences, and outputs find their rows again."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span

from spacy_elmo.bilm.alphabet import ByteAlphabet
from spacy_elmo.inference.sentences import EncodedSentences, count_tokens, find_word_types
from spacy_elmo.models import tokens
from spacy_elmo.models.tokens import (
    MappedTokens,
    TextTable,
    TokenMapper,
    configure_doc_spans,
    configure_sent_spans,
    doc_spans,
    sent_spans,
)

NLP = spacy.blank("en")
WORDS = ["a", "b", " ", "\n\n", "word", "Ünïcode", "\t", "x" * 60, "."]


def random_docs(seed: int, *, sentences: bool, spaces: bool) -> list[Doc]:
    numbers = np.random.default_rng(seed)
    words = [word for word in WORDS if spaces or not word.isspace()]
    docs = []
    for length in numbers.integers(0, 9, size=12):
        own = [words[i] for i in numbers.integers(0, len(words), size=length)]
        starts = [bool(number) for number in numbers.integers(0, 2, size=length)] if sentences else None
        docs.append(Doc(NLP.vocab, words=own, sent_starts=starts))
    return docs


def others(docs: Any) -> list[list[Span]]:
    """Of the user's own: not all tokens, and not in order."""
    return [[doc[len(doc) // 2 : len(doc)], doc[: len(doc) // 3]] for doc in docs]


def coded(sentences: list[list[str]]) -> EncodedSentences:
    types, numbers = find_word_types(sentences)
    return EncodedSentences(types, numbers, count_tokens(sentences))


def naive(docs: list[Doc], get_spans: Any) -> MappedTokens:
    spans = get_spans(docs)
    sentences = [[token.text for token in span if not token.is_space] for own in spans for span in own]
    offsets = np.cumsum([0, *map(len, docs)])
    rows = [
        offset + token.i
        for own, offset in zip(spans, offsets)
        for span in own
        for token in span
        if not token.is_space
    ]
    return MappedTokens(coded(sentences), [*map(len, docs)], np.asarray(rows, dtype=np.int64))


@pytest.mark.parametrize("spaces", [False, True])
@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("get_spans", [sent_spans, doc_spans, others, lambda docs: sent_spans(docs)])
def test_as_one_would_do_it_token_by_token(get_spans: Any, sentences: bool, spaces: bool) -> None:
    map_tokens = TokenMapper(get_spans)
    for seed in range(20):
        docs = random_docs(seed, sentences=sentences, spaces=spaces)
        got, expected = map_tokens(docs), naive(docs, get_spans)
        assert [one for one in got.sentences if one] == [one for one in expected.sentences if one]
        assert got.lengths == expected.lengths
        outputs = np.random.default_rng(seed).random((sum(map(len, got.sentences)), 3))
        spread = expected.scatter(outputs)
        np.testing.assert_array_equal(got.scatter(outputs), spread)
        there = got.to(torch.device("cpu"))
        on_torch = there.scatter(torch.from_numpy(outputs))
        np.testing.assert_array_equal(on_torch.numpy(), spread)
        np.testing.assert_array_equal(there.gather(on_torch).numpy(), outputs)


def test_nothing_is_moved_where_all_tokens_are_seen() -> None:
    docs = random_docs(1, sentences=True, spaces=False)
    assert TokenMapper(sent_spans)(docs).rows is None
    assert TokenMapper(doc_spans)(docs).rows is None
    assert TokenMapper(sent_spans)(random_docs(1, sentences=True, spaces=True)).rows is not None


def test_no_docs() -> None:
    for get_spans in (sent_spans, doc_spans, others):
        got = TokenMapper(get_spans)([])
        assert ([*got.sentences], got.lengths) == ([], [])


def test_sentences_of_a_hook() -> None:
    doc = Doc(NLP.vocab, words=["a", "b", "c"])
    doc.user_hooks["sents"] = lambda doc: iter([doc[:1], doc[1:]])
    assert [*TokenMapper(sent_spans)([doc]).sentences] == [["a"], ["b", "c"]]


def test_tokens_that_are_known_not_to_begin_sentences() -> None:
    doc = Doc(NLP.vocab, words=["a", "b", "c"], sent_starts=[True, False, False])
    assert [*TokenMapper(sent_spans)([doc, doc]).sentences] == [["a", "b", "c"]] * 2


def test_a_copy_begins_anew() -> None:
    map_tokens = TokenMapper(sent_spans)
    docs = random_docs(3, sentences=False, spaces=True)
    expected = map_tokens(docs)
    twin = pickle.loads(pickle.dumps(map_tokens))
    assert len(pickle.dumps(map_tokens)) < 500
    assert [*twin(docs).sentences] == [*expected.sentences]


def test_texts_that_share_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "PLACES", 4)
    map_tokens = TokenMapper(doc_spans)
    for seed in range(30):
        docs = random_docs(seed, sentences=False, spaces=True)
        assert [*map_tokens(docs).sentences] == [*naive(docs, doc_spans).sentences]


def test_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CAPACITY", 2000)
    table = TextTable()
    sizes = []
    for k in range(0, 10_000, 100):
        doc = Doc(NLP.vocab, words=[f"w{i}" for i in range(k, k + 100)])
        seen = table.look_up(doc.to_array("ORTH"), [doc])
        assert [seen.texts[number] for number in seen.numbers.tolist()] == [token.text for token in doc]
        sizes.append(len(table))
    assert max(sizes) == 2100


def test_held_numbers_keep_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CAPACITY", 20)
    map_tokens = TokenMapper(sent_spans)
    docs = [[Doc(NLP.vocab, words=[f"w{i}" for i in range(k, k + 15)])] for k in range(0, 90, 9)]
    placements = [map_tokens(own) for own in docs]
    for own, mapped in zip(docs, placements):
        assert [*mapped.sentences] == [[token.text for token in own[0]]]
    assert len({id(mapped.sentences.texts) for mapped in placements}) > 2


def test_long_texts_are_kept_as_they_are_read() -> None:
    map_tokens = TokenMapper(doc_spans)
    map_tokens.set_alphabet(ByteAlphabet(max_characters=6))
    doc = Doc(NLP.vocab, words=["x" * 1000, "ab", "x" * 2000])
    assert [*map_tokens([doc]).sentences] == [["xxxx", "ab", "xxxx"]]
    # Of another model, with room for more.
    map_tokens.set_alphabet(ByteAlphabet(max_characters=9))
    assert [*map_tokens([doc]).sentences] == [["x" * 7, "ab", "x" * 7]]


def test_docs_of_several_vocabularies() -> None:
    docs = [Doc(spacy.blank("en").vocab, words=[f"only{i}", "all"]) for i in range(3)]
    assert [*TokenMapper(sent_spans)(docs).sentences] == [[f"only{i}", "all"] for i in range(3)]


def test_several_threads() -> None:
    map_tokens = TokenMapper(sent_spans)
    batches = [random_docs(seed, sentences=True, spaces=True) for seed in range(40)]
    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(map_tokens, batches))
    for docs, mapped in zip(batches, got):
        assert [*mapped.sentences] == [*TokenMapper(sent_spans)(docs).sentences]


VOCAB = spacy.blank("en").vocab


def texts(get_spans: object, docs: list) -> list:
    return [[span.text for span in spans] for spans in get_spans(docs)]  # type: ignore[operator]


def test_sentences_where_they_are_set() -> None:
    with_sents = Doc(VOCAB, words=["a", "b", "c"], sent_starts=[True, False, True])
    without = Doc(VOCAB, words=["a", "b", "c"])
    docs = [with_sents, without, Doc(VOCAB), Doc(VOCAB, words=["a"])]
    assert texts(configure_sent_spans(), docs)[:2] == [["a b", "c"], ["a b c"]]
    assert [sum(len(text) > 0 for text in one) for one in texts(configure_sent_spans(), docs)] == [2, 1, 0, 1]


def test_whole_docs() -> None:
    with_sents = Doc(VOCAB, words=["a", "b", "c"], sent_starts=[True, False, True])
    assert texts(configure_doc_spans(), [with_sents]) == [["a b c"]]
