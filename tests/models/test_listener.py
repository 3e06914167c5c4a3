"""Which Docs a training batch knows."""

from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_elmo.models.listener import SharedBatch
from spacy_elmo.models.output import FlatLayers

VOCAB = spacy.blank("en").vocab
WORDS = [["I", "like", "eggs"], [], ["you", "eat", "ham"]]


def make_batch() -> tuple[list[Doc], SharedBatch, np.ndarray]:
    docs = [Doc(VOCAB, words=words) for words in WORDS]
    rows: Any = np.arange(12, dtype="f").reshape(6, 2)
    layers = FlatLayers({"word_emb": rows}, [*map(len, docs)], 2)
    return docs, SharedBatch(docs, layers, observe=lambda squares: None), rows


def find(batch: SharedBatch, *docs: Doc) -> Any:
    layers = batch.find(docs)
    return None if layers is None else layers.arrays["word_emb"]


def test_docs_and_copies_in_any_order() -> None:
    docs, batch, rows = make_batch()
    np.testing.assert_array_equal(find(batch, *docs), rows)
    np.testing.assert_array_equal(find(batch, docs[2], docs[0]), rows[[3, 4, 5, 0, 1, 2]])
    copies = [doc.copy() for doc in docs]
    np.testing.assert_array_equal(find(batch, copies[2]), rows[3:])
    # As sentences are set by a component behind the embedder.
    copies[2][1].is_sent_start = True
    np.testing.assert_array_equal(find(batch, copies[2]), rows[3:])
    assert batch.find(copies, same_sentences=True) is None
    assert batch.find(docs, same_sentences=True) is not None


def test_what_is_not_of_the_batch() -> None:
    docs, batch, _ = make_batch()
    other = Doc(VOCAB, words=WORDS[0])
    assert find(batch, other) is None
    assert find(batch, docs[0], other) is None
    batch.close()
    assert find(batch, *docs) is None


def test_other_tokens_with_the_user_data_of_a_doc() -> None:
    docs, batch, rows = make_batch()
    for words in (["he", "likes", "eggs"], ["I", "eggs", "like"], ["I", "like"], []):
        assert find(batch, Doc(VOCAB, words=words, user_data=docs[0].user_data)) is None
    same = Doc(VOCAB, words=WORDS[0], spaces=[False] * 3, user_data=docs[0].user_data)
    np.testing.assert_array_equal(find(batch, same), rows[:3])


def test_a_doc_that_was_retokenized() -> None:
    docs, batch, _ = make_batch()
    with docs[0].retokenize() as retokenizer:
        retokenizer.split(docs[0][2], ["eg", "gs"], heads=[docs[0][0], docs[0][0]])
        retokenizer.merge(docs[0][0:2])
    assert len(docs[0]) == 3
    assert find(batch, docs[0]) is None
    assert find(batch, docs[2], docs[0]) is None


@pytest.mark.parametrize("number", [-1, 3, 99])
def test_a_number_of_an_earlier_process(number: int) -> None:
    docs, batch, _ = make_batch()
    [key] = docs[0].user_data
    docs[0].user_data[key] = number
    assert find(batch, docs[0]) is None
