from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.build import build_bilm, build_parts, pop_prefix
from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.inference.cpu import encoder as module
from spacy_elmo.inference.cpu import features
from spacy_elmo.inference.cpu.encoder import CpuCharEncoder
from spacy_elmo.inference.factory import choose_encoder_linear
from spacy_elmo.inference.word_table import WordTable
from spacy_elmo.runtime.workers import Workers
from spacy_elmo.weights.source import read_weights
from tests.data import read_case

# Every length around the widths of groups, and beyond the longest.
WORDS = ["", "<S>", "</S>", "é" * 30, *("x" * n for n in range(60)), *(f"word{i}" for i in range(200))]


@pytest.fixture(params=["torch", "packed"])
def linear_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "packed" and not features.has_packed_linear():
        pytest.skip("no packed matrix products on this processor, or in this torch")
    monkeypatch.setattr(features, "has_packed_linear", lambda: request.param == "packed")
    return str(request.param)


def make_encoder(folder: Path) -> CpuCharEncoder:
    weights = read_weights(folder)
    tensors = build_parts(weights.options, weights.arrays).bilm
    with torch.inference_mode():
        return CpuCharEncoder(
            pop_prefix(tensors, "char_encoder."),
            options=weights.options,
            linear=choose_encoder_linear(),
            workers=Workers(),
        )


@pytest.mark.parametrize(
    "name",
    ["base", "tanh_deep", "short_chars", "realistic", "../bilm_tf_only/no_highway", "../bilm_tf_only/no_cnn_proj"],
)
def test_equal_to_the_module(parity: Path, name: str, linear_way: str) -> None:
    weights = read_weights(parity / "bilm" / name)
    bilm = build_bilm(weights.options, build_parts(weights.options, weights.arrays).bilm)
    ids = character_ids(WORDS, max_characters=weights.options.char_cnn.max_characters_per_token)
    with torch.inference_mode():
        expected = bilm.char_encoder(torch.from_numpy(ids))
        got = make_encoder(parity / "bilm" / name).encode(WORDS)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_the_company_does_not_matter(parity: Path, linear_way: str) -> None:
    """Bit for bit, or a word would change when the table has lost it."""
    encoder = make_encoder(parity / "bilm" / "realistic")
    together = encoder.encode(WORDS)
    for n in (1, 5, 40, 150):
        some = WORDS[-n:]
        assert torch.equal(encoder.encode(some), together[-n:])
    assert torch.equal(encoder.encode(WORDS[::-1]), together.flip(0))


def test_words_without_trailing_padding(tiny: Path) -> None:
    encoder = make_encoder(tiny)
    ids = character_ids(WORDS)
    groups = list(encoder._groups(ids))
    assert sorted(i for rows, _ in groups for i in rows.tolist()) == list(range(len(WORDS)))
    assert {width for _, width in groups} == {18, 30, 50}
    for rows, width in groups:
        if width < 50:
            # The widest of tiny's filters spans 3 characters.
            assert (ids[rows, width - 3 :] == 261).all()
    sizes = {module._group_size(len(rows)) for rows, _ in groups}
    assert sizes <= set(module.GROUP_SIZES)


def test_no_word_types(tiny: Path) -> None:
    assert make_encoder(tiny).encode([]).shape == (0, 8)


def test_a_lost_word_comes_back_the_same(parity: Path, linear_way: str) -> None:
    """The whole way: a cold table, a warm one, and one that is too small for the text."""
    case = read_case(parity / "bilm" / "realistic")
    elmo = spacy_elmo.load(parity / "bilm" / "realistic")
    cold = elmo.embed(case.sentences)
    warm = elmo.embed(case.sentences)
    overflowing = spacy_elmo.load(parity / "bilm" / "realistic")
    engine: Any = overflowing.engine
    engine._table = WordTable(engine._encoder.encode, width=64, capacity=17)
    twice = [overflowing.embed(case.sentences) for _ in range(2)]
    for outputs in (warm, *twice):
        for one, other in zip(cold, outputs):
            np.testing.assert_array_equal(one.stack(), other.stack())
