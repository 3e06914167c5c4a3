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
    SpanGetter,
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
        starts: list[bool | int | None] | None = None
        if sentences:
            starts = [bool(number) for number in numbers.integers(0, 2, size=length)]
        docs.append(Doc(NLP.vocab, words=own, sent_starts=starts))
    return docs


def get_other_spans(docs: Any) -> list[list[Span]]:
    """Spans as a user may choose them: not all tokens, and not in order."""
    return [[doc[len(doc) // 2 : len(doc)], doc[: len(doc) // 3]] for doc in docs]


def encode(sentences: list[list[str]]) -> EncodedSentences:
    types, numbers = find_word_types(sentences)
    return EncodedSentences(types, numbers, count_tokens(sentences))


def map_each(docs: list[Doc], get_spans: Any) -> MappedTokens:
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
    return MappedTokens(encode(sentences), [*map(len, docs)], np.asarray(rows, dtype=np.int64))


@pytest.mark.parametrize("spaces", [False, True])
@pytest.mark.parametrize("sentences", [False, True])
@pytest.mark.parametrize("get_spans", [sent_spans, doc_spans, get_other_spans, lambda docs: sent_spans(docs)])
def test_token_by_token(get_spans: Any, sentences: bool, spaces: bool) -> None:
    map_tokens = TokenMapper(get_spans)
    for seed in range(20):
        docs = random_docs(seed, sentences=sentences, spaces=spaces)
        got, expected = map_tokens(docs), map_each(docs, get_spans)
        assert [one for one in got.sentences if one] == [one for one in expected.sentences if one]
        assert got.lengths == expected.lengths
        outputs = np.random.default_rng(seed).random((sum(map(len, got.sentences)), 3))
        scattered = expected.scatter(outputs)
        np.testing.assert_array_equal(got.scatter(outputs), scattered)
        there = got.to(torch.device("cpu"))
        on_torch = there.scatter(torch.from_numpy(outputs))
        np.testing.assert_array_equal(on_torch.numpy(), scattered)
        np.testing.assert_array_equal(there.gather(on_torch).numpy(), outputs)


def test_all_tokens_in_order() -> None:
    docs = random_docs(1, sentences=True, spaces=False)
    assert TokenMapper(sent_spans)(docs).rows is None
    assert TokenMapper(doc_spans)(docs).rows is None
    assert TokenMapper(sent_spans)(random_docs(1, sentences=True, spaces=True)).rows is not None


def test_no_docs() -> None:
    for get_spans in (sent_spans, doc_spans, get_other_spans):
        got = TokenMapper(get_spans)([])
        assert ([*got.sentences], got.lengths) == ([], [])


def test_sentences_of_a_hook() -> None:
    doc = Doc(NLP.vocab, words=["a", "b", "c"])
    doc.user_hooks["sents"] = lambda doc: iter([doc[:1], doc[1:]])
    assert [*TokenMapper(sent_spans)([doc]).sentences] == [["a"], ["b", "c"]]


def test_tokens_inside_a_sentence() -> None:
    doc = Doc(NLP.vocab, words=["a", "b", "c"], sent_starts=[True, False, False])
    assert [*TokenMapper(sent_spans)([doc, doc]).sentences] == [["a", "b", "c"]] * 2


def test_copy_has_no_texts() -> None:
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
        assert [*map_tokens(docs).sentences] == [*map_each(docs, doc_spans).sentences]


def test_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CAPACITY", 2000)
    table = TextTable()
    sizes = []
    for k in range(0, 10_000, 100):
        doc = Doc(NLP.vocab, words=[f"w{i}" for i in range(k, k + 100)])
        keys: Any = doc.to_array("ORTH")
        seen = table.look_up(keys, [doc])
        assert [seen.texts[number] for number in seen.numbers.tolist()] == [token.text for token in doc]
        sizes.append(len(table))
    assert max(sizes) == 2100


def test_held_numbers_keep_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "CAPACITY", 20)
    map_tokens = TokenMapper(sent_spans)
    docs = [[Doc(NLP.vocab, words=[f"w{i}" for i in range(k, k + 15)])] for k in range(0, 90, 9)]
    batches = [map_tokens(own) for own in docs]
    for own, mapped in zip(docs, batches):
        assert [*mapped.sentences] == [[token.text for token in own[0]]]
    assert len({id(mapped.sentences.texts) for mapped in batches}) > 2


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


def list_texts(get_spans: SpanGetter, docs: list[Doc]) -> list[list[str]]:
    return [[span.text for span in spans] for spans in get_spans(docs)]


def test_sentences_where_they_are_set() -> None:
    with_sents = Doc(NLP.vocab, words=["a", "b", "c"], sent_starts=[True, False, True])
    without = Doc(NLP.vocab, words=["a", "b", "c"])
    docs = [with_sents, without, Doc(NLP.vocab), Doc(NLP.vocab, words=["a"])]
    assert list_texts(configure_sent_spans(), docs)[:2] == [["a b", "c"], ["a b c"]]
    assert [sum(len(text) > 0 for text in one) for one in list_texts(configure_sent_spans(), docs)] == [2, 1, 0, 1]


def test_whole_docs() -> None:
    with_sents = Doc(NLP.vocab, words=["a", "b", "c"], sent_starts=[True, False, True])
    assert list_texts(configure_doc_spans(), [with_sents]) == [["a b c"]]
