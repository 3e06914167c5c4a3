"""The main job on real input: a treebank through nlp.pipe, against Elmo.embed of its sentences."""

import numpy as np
import spacy
from spacy.tokens import Doc

import spacy_elmo
from spacy_elmo.inputs.reader import Inputs
from tests.data import Measured, shared_path


def test_ud_ewt_dev(measured: Measured) -> None:
    path = shared_path("corpora/ud_ewt/en_ewt-ud-dev.conllu")
    source = str(shared_path("parity/allennlp_fixture/lm_weights.hdf5"))
    nlp = spacy.blank("en")
    nlp.add_pipe("elmo_embedder", config={"source": source})
    sentences = [sentence.tokens for sentence in Inputs(path).read()]
    # Docs of several sentences, of every length from 1 to 9.
    groups: list[list[list[str]]] = []
    start = 0
    while start < len(sentences):
        size = 1 + len(groups) % 9
        groups.append(sentences[start : start + size])
        start += size
    docs = [
        Doc(
            nlp.vocab,
            words=[word for sentence in group for word in sentence],
            sent_starts=[i == 0 for sentence in group for i, _ in enumerate(sentence)],
        )
        for group in groups
    ]
    expected = iter(spacy_elmo.load(source).embed(sentences))
    worst, rows = 0.0, 0
    for group, doc in zip(groups, nlp.pipe(docs), strict=True):
        assert len(list(doc.sents)) == len(group)
        assert not any(token.is_space for token in doc)
        outputs = [next(expected) for _ in group]
        for name, array in doc._.elmo.items():
            together = np.concatenate([getattr(output, name) for output in outputs])
            assert array.shape == together.shape
            worst = max(worst, float(np.abs(array - together).max()))
        np.testing.assert_array_equal(doc.tensor, doc._.elmo.elmo)
        rows += len(doc)
    measured(
        f"UD EWT dev through nlp.pipe: {len(docs)} Docs, {rows} rows, max abs difference to embed {worst:.1e}"
    )
    assert rows == 25147
    assert next(expected, None) is None
    assert worst <= 2e-5
