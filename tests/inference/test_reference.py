import pytest
import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.inference import reference
from spacy_elmo.inference.reference import ReferenceEngine
from spacy_elmo.inference.sentences import find_word_types


def test_word_types() -> None:
    types, numbers = find_word_types([["a", "b"], [], ["b"]], before=["<S>"], after=["</S>"])
    assert types == ["<S>", "a", "b", "</S>"]
    assert numbers.tolist() == [0, 1, 2, 3, 0, 3, 0, 2, 3]
    assert find_word_types([]).numbers.shape == (0,)


@pytest.fixture
def engine(bilm: BiLM) -> ReferenceEngine:
    return ReferenceEngine(bilm=bilm)


def test_each_word_type_is_encoded_once(engine: ReferenceEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    encoder = engine.bilm.char_encoder
    original = encoder.forward

    def forward(ids: Tensor) -> Tensor:
        rows.append(len(ids))
        return original(ids)

    monkeypatch.setattr(encoder, "forward", forward)
    engine.run([["a", "b", "a"], ["b", "c"]], n_layers=0, state=None)
    assert rows == [8]  # three types and the two boundary tokens, rounded up to a power of two


@pytest.mark.parametrize("size", [1, 2, 64])
def test_parts_of_the_encoder_do_not_matter(
    engine: ReferenceEngine, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    words = [f"word{i}" for i in range(70)]
    with torch.no_grad():
        expected = engine.bilm.char_encoder(torch.from_numpy(character_ids(words)))
    monkeypatch.setattr(reference, "ENCODER_BATCH", size)
    got = engine.run([words], n_layers=0, state=None).word_emb
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_few_shapes_reach_the_convolutions() -> None:
    # oneDNN keeps a compiled kernel for each: with any number of rows, memory would grow for a long time.
    assert sorted({reference._power_of_two(n) for n in range(257)}) == [1, 2, 4, 8, 16, 32, 64, 128, 256]


@pytest.mark.parametrize("batch", [[[]], [[], ["a"], []]])
@pytest.mark.parametrize("n_layers", [0, 1, 2])
def test_empty_sentences(engine: ReferenceEngine, batch: list[list[str]], n_layers: int) -> None:
    output = engine.run(batch, n_layers=n_layers, state=None)
    tokens = sum(len(sentence) for sentence in batch)
    assert output.word_emb.shape == (tokens, 8)
    assert [layer.shape for layer in output.lstm] == [(tokens, 16)] * n_layers
    assert output.state is None


def test_no_gradients(engine: ReferenceEngine) -> None:
    output = engine.run([["a"]], n_layers=2, state=None)
    assert not output.word_emb.requires_grad
    assert not output.lstm[1].requires_grad
