from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.char_encoder import CharEncoder, Highway, convolve_windows
from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.bilm.options import Options
from tests import reference


def test_equal_to_the_formulas(
    bilm: BiLM, tiny: Path, tiny_options: dict[str, Any], sentences: list[list[str]]
) -> None:
    words = [*sorted({word for sentence in sentences for word in sentence}), "", "é" * 40, "<S>"]
    arrays = reference.read_hdf5(tiny / "weights.hdf5")
    expected = [reference.word_embedding(word, tiny_options, arrays) for word in words]
    with torch.no_grad():
        got = bilm.char_encoder(torch.from_numpy(character_ids(words)))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-5)


def test_highway_with_a_closed_gate() -> None:
    highway = Highway(dim=3)
    torch.nn.init.zeros_(highway.carry.weight)
    torch.nn.init.constant_(highway.carry.bias, -100.0)
    x = torch.randn(4, 3)
    assert torch.equal(highway(x), x)


@pytest.mark.parametrize("filters", [[[1, 4], [2, 4]], [[1, 3], [2, 4]]])
def test_projection(tiny_options: dict[str, Any], filters: list[list[int]]) -> None:
    options = Options.from_dict({**tiny_options, "char_cnn": {**tiny_options["char_cnn"], "filters": filters}})
    encoder = CharEncoder(options=options)
    assert (encoder.projection is None) == (options.char_cnn.n_filters == 8)
    assert encoder(torch.from_numpy(character_ids(["a", "b"]))).shape == (2, 8)


def test_row_of_no_token_stays_zero(tiny_options: dict[str, Any]) -> None:
    encoder = CharEncoder(options=Options.from_dict(tiny_options))
    ids = torch.from_numpy(character_ids(["a", "b"]))
    ids[1] = 0
    encoder(ids).sum().backward()
    gradient = encoder.embedding.weight.grad
    assert gradient is not None
    assert not gradient[0].any()
    assert gradient[1:].any()


def test_convolution_as_a_product() -> None:
    convolution, characters = torch.nn.Conv1d(4, 6, kernel_size=3), torch.rand(5, 4, 9)
    torch.testing.assert_close(convolve_windows(convolution, characters).transpose(1, 2), convolution(characters))
