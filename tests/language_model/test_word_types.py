import numpy as np
import torch

from spacy_elmo.bilm.characters import CLOSING, OPENING, character_ids
from spacy_elmo.language_model.corpus import Corpus
from spacy_elmo.language_model.streams import Order, Streams
from spacy_elmo.language_model.vocabulary import Vocabulary
from tests.pretraining.tiny import lm_options, lm_sentences, lm_types


def test_types_of_a_batch() -> None:
    corpus = Corpus.from_sentences(lm_sentences(40))
    # Some of the words are left out, which are predicted as <UNK>.
    vocabulary = Vocabulary.from_counts(corpus.types, corpus.count_types().tolist(), min_count=15)
    types = lm_types(lm_options(), corpus, vocabulary)
    texts = [*corpus.types, OPENING, CLOSING]
    batch = Streams(corpus, Order(len(corpus), seed=0), n_rows=4).take(3)
    rows = slice(1, 3)
    ids, inputs, targets, all_targets = types.encode(batch, rows)
    words = [vocabulary.words.index(text) if text in vocabulary else vocabulary.unknown for text in texts]
    assert vocabulary.unknown in words
    for step in range(3):
        for direction in (0, 1):
            for row in (0, 1):
                text = texts[batch.inputs[step, direction, row + 1]]
                found = ids[inputs[step, direction, row]].tolist()
                assert found == character_ids([text], max_characters=20)[0].tolist()
                wanted = batch.targets[step, direction, row + 1]
                assert int(targets[direction, step * 2 + row]) == words[wanted]
    # Every type that occurs in these rows, and no other, once.
    assert len(ids) == len(np.unique(batch.inputs[:, :, rows]))
    assert ids.dtype == inputs.dtype == targets.dtype == torch.int64
    assert sorted(all_targets.tolist()) == sorted(words[number] for number in batch.targets.flatten())
