"""Which stretches of a Doc are embedded as one sentence each."""

from typing import Callable, List, Sequence

from spacy.tokens import Doc, Span

SpanGetter = Callable[[Sequence[Doc]], List[List[Span]]]


def sent_spans(docs: Sequence[Doc]) -> List[List[Span]]:
    """The sentences of each Doc where they are set, else the whole Doc."""
    return [list(doc.sents) if doc.has_annotation("SENT_START") else [doc[:]] for doc in docs]


def doc_spans(docs: Sequence[Doc]) -> List[List[Span]]:
    """Each Doc as one sentence."""
    return [[doc[:]] for doc in docs]


def configure_sent_spans() -> SpanGetter:
    """Registered as spacy-elmo.sent_spans.v1: see `sent_spans`."""
    return sent_spans


def configure_doc_spans() -> SpanGetter:
    """Registered as spacy-elmo.doc_spans.v1: see `doc_spans`."""
    return doc_spans
