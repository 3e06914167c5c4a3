"""Ids: those of AllenNLP, in workers of a DataLoader, and what is refused."""

import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.torch import ElmoModule, Encoder
from tests.data import TINY, shared_path
from tests.module import golden


@pytest.fixture(scope="module")
def module() -> ElmoModule:
    return ElmoModule(TINY, dropout=0.0)


def test_ids_of_allennlp(module: ElmoModule) -> None:
    ids = module.encode(golden.batches()[0])
    assert ids.dtype == torch.int64
    np.testing.assert_array_equal(ids, golden.arrays()["ids"])


def test_ids_of_all_kinds_of_tokens(module: ElmoModule) -> None:
    pairs = json.loads(shared_path("parity/charids.json").read_text("utf-8"))
    # The empty text is a token, too, about which there is a warning.
    tokens, expected = zip(*[pair for pair in pairs if pair[0]])
    np.testing.assert_array_equal(module.encode([[*tokens]])[0], np.array(expected))
    # Each text gives the same vectors as its ids.
    texts, ids = module([[*tokens]]), module(module.encode([[*tokens]]))
    assert torch.equal(texts.layers["word_emb"], ids.layers["word_emb"])


def test_pickle_is_small(module: ElmoModule) -> None:
    data = pickle.dumps(module.encode)
    assert len(data) < 5000
    assert torch.equal(pickle.loads(data)([["a", "b"]]), module.encode([["a", "b"]]))
    assert isinstance(module.encode, Encoder)


def test_any_ids_are_read(module: ElmoModule) -> None:
    """Also those that no text has: they are not texts underneath."""
    torch.manual_seed(0)
    ids = torch.randint(0, 262, (3, 4, 50))
    words = module(ids).layers["word_emb"]
    expected = module.bilm.char_encoder(ids.flatten(0, 1)).view(3, 4, -1)
    torch.testing.assert_close(words, expected.detach(), rtol=0, atol=1e-5)
    learns = ElmoModule(TINY, dropout=0.0, frozen=False)
    torch.testing.assert_close(learns(ids).mixes, module(ids).mixes, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda ids: ids.float(), r"EL870.*\(batch, longest, 50\).*float32"),
        (lambda ids: ids[0], r"EL870.*int64, \(2, 50\)"),
        (lambda ids: ids[:, :, :40], r"EL870.*\(1, 2, 40\)"),
        (lambda ids: ids.bool(), "EL870.*bool"),
        (lambda ids: ids.unsqueeze(0), "EL870"),
        (lambda ids: torch.cat([ids, ids * 0, ids], dim=1), r"EL871.*Token 2 of sentence 0.*padding"),
        (lambda ids: ids + 2, r"EL872.*263.*characters.*0 to 261"),
        (lambda ids: -ids, r"EL872.*-261"),
    ],
)
def test_wrong_ids(module: ElmoModule, change: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        module(change(module.encode([["a", "b"]])))


@pytest.mark.parametrize(
    ("sentences", "match"),
    [
        ("I love NLP", "EL240"),
        (["I love NLP"], "EL033"),
        ([["I", 3]], "EL034"),
        ([[b"I"]], "EL034"),
        (None, "EL240"),
    ],
)
def test_wrong_sentences(module: ElmoModule, sentences: Any, match: str) -> None:
    for read in (module, module.encode):
        with pytest.raises(ValueError, match=match):
            read(sentences)


def test_padding_of_other_programs(module: ElmoModule) -> None:
    with pytest.warns(UserWarning, match="WL046"):
        module([["a", "[PAD]"]])
