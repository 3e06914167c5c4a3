import spacy
from spacy.tokens import Doc

from spacy_elmo.models.spans import configure_doc_spans, configure_sent_spans

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
